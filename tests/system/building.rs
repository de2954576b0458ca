//! A reload that takes long: what is not a reload goes on meanwhile, and reloads wait their turn.

use crate::mesh::plugin::Balancer;
use crate::mesh::{Mesh, Upstream};

const CONFIG: &str = r#"
    log.level = "info,proconsul::app=debug"
    strategies.weak = { plugin = "weak.wasm", hash_on = { header = "x-key" }, trip_after = 1000 }
    strategies.slow = { plugin = "slow.wasm", setup_deadline = "5s" }
    services.web = { strategy = "weak", endpoints = [{ address = "@up" }] }
    services.other = { strategy = "weak", endpoints = [{ address = "@up" }] }
    routes = [{ service = "web" }, { service = "other", path = "/other" }]
"#;

const TRAPS: &str = "proconsul_plugin_traps_total{service=\"web\",export=\"pick\"}";
const RELOADS: &str = "proconsul_config_reloads_total";

/// A mesh whose strategy fails in each pick for a request that has an `x-key`, beside a plugin that
/// takes five seconds to be refused.
async fn mesh() -> Mesh {
    let up = Upstream::echo("up").await;
    let trap = "(if (i64.gt_u (local.get $key) (i64.const 1)) (then (call $trap)))";
    let weak = Balancer { pick: trap, ..Balancer::default() };
    let slow = Balancer { configure: "(call $forever)", ..Balancer::default() };
    let builder = Mesh::with(CONFIG).bare_log().at("up", up);
    builder.file("weak.wasm", weak.build()).file("slow.wasm", slow.build()).start().await
}

#[tokio::test]
async fn slots_are_filled_while_a_plugin_takes_its_time() {
    let mesh = mesh().await;
    let slow = mesh.config().replace(
        "services.other = { strategy = \"weak\"",
        "services.other = { strategy = \"slow\"",
    );
    mesh.replace("proconsul.toml", slow);
    let reload = mesh.admin("POST", "/-/reload");
    let meanwhile = async {
        let evil = "GET / HTTP/1.1\r\nHost: test\r\nX-Key: 1\r\n\r\n";
        while mesh.metric(TRAPS).await < 4.0 {
            assert_eq!(mesh.send(evil).await.status, 200); // fails once more only in a new instance
        }
    };
    tokio::pin!(reload);
    tokio::select! {
        biased;
        answer = &mut reload => panic!("slots waited for the reload: {}", answer.text()),
        () = meanwhile => {}
    }
    let answer = reload.await;
    assert_eq!(answer.status, 422);
    assert!(answer.text().contains("ran past its deadline"), "{}", answer.text());
}

#[tokio::test]
async fn who_asks_during_a_reload_shares_the_next_one() {
    let mesh = mesh().await;
    let good = mesh.config();
    let slow = good.replace(
        "services.other = { strategy = \"weak\"",
        "services.other = { strategy = \"slow\"",
    );
    mesh.replace("proconsul.toml", slow);
    let first = mesh.admin("POST", "/-/reload");
    let others = async {
        mesh.logged(&["reading the configuration"]).await;
        mesh.replace("proconsul.toml", good.replace("\"/other\"", "\"/newest\""));
        let ask = || mesh.admin("POST", "/-/reload");
        tokio::join!(ask(), ask(), ask(), ask())
    };
    let (first, others) = tokio::join!(first, others);
    assert_eq!(first.status, 422, "{}", first.text());
    for answer in <[_; 4]>::from(others) {
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("route other changed: match"), "{}", answer.text());
    }
    assert_eq!(mesh.metric(RELOADS).await, 3.0, "the start, the first, and one for all others");
}
