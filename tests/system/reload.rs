//! Changes while traffic flows: what is good holds for the next request, what is bad changes nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::mesh::tls::Certificate;
use crate::mesh::wait::eventually;
use crate::mesh::{Load, Mesh, Upstream};

const TO_A: &str = r#"
    services.web.endpoints = [{ address = "@a" }]
    routes = [{ service = "web" }]
"#;

/// A mesh that sends everything to `a`; `b` is there too.
async fn mesh() -> (Mesh, Upstream, Upstream) {
    let (a, b) = (Upstream::echo("a").await, Upstream::echo("b").await);
    (Mesh::with(TO_A).at("a", &a).start().await, a, b)
}

async fn answered_by(mesh: &Mesh) -> String {
    mesh.get("/").await.header("x-upstream").unwrap_or_default()
}

/// Waits until requests go to an upstream.
async fn goes_to(mesh: &Mesh, name: &str) {
    eventually(&format!("requests to go to {name}"), || async {
        (answered_by(mesh).await == name).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_saved_file_holds_for_the_next_request() {
    let (mesh, a, b) = mesh().await;
    let load = Load::start(mesh.listener, 4, "");
    load.goes_on(50).await;
    let mut took = Vec::new();
    for turn in 0..10 {
        let (from, to) = if turn % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let begun = Instant::now();
        mesh.edit(&from.to_string(), &to.to_string());
        goes_to(&mesh, if turn % 2 == 0 { "b" } else { "a" }).await;
        took.push(begun.elapsed());
        load.goes_on(20).await;
    }
    load.stop_without_a_failure().await;
    took.sort();
    println!("saved to obeyed: {took:?}");
    assert!(took[5] < Duration::from_secs(2), "{took:?}");
    assert_eq!(mesh.metric("proconsul_config_reloads_total{result=\"success\"}").await, 11.0);
}

#[tokio::test]
async fn a_mistake_is_refused_and_told_everywhere() {
    let (mesh, a, b) = mesh().await;
    let load = Load::start(mesh.listener, 2, "");
    let good = mesh.config();
    for (bad, reason) in [
        (
            good.replace("services.web.endpoints", "services.web.endpionts"),
            "did you mean `endpoints`",
        ),
        (good.replace("service = \"web\"", "service = \"wep\""), "wep"),
        (good.replace(&a.to_string(), "nonsense"), "services.web.endpoints[0].address"),
        (good.replace("routes = [", "routes = "), "proconsul.toml:"),
        (format!("services.web.strategy = \"no-such\"\n{good}"), "no-such"),
    ] {
        let report = mesh.reloaded_by(|| mesh.replace("proconsul.toml", &bad)).await;
        assert_eq!(report["result"], "refused", "{bad}");
        let reasons = report["reasons"].to_string();
        assert!(reasons.contains(reason), "{reason}: {reasons}");
        mesh.logged(&[
            "ERROR",
            "configuration refused, the former one stays",
            "cause=\"file change\"",
        ])
        .await;
        assert_eq!(mesh.metric("proconsul_config_last_reload_successful").await, 0.0);
        assert_eq!(answered_by(&mesh).await, "a");
    }
    assert_eq!(mesh.metric("proconsul_config_reloads_total{result=\"refused\"}").await, 5.0);
    let mended = good.replace(&a.to_string(), &b.to_string());
    let report = mesh.reloaded_by(|| mesh.replace("proconsul.toml", &mended)).await;
    assert_eq!(report["result"], "applied", "{report:#}");
    assert_eq!(mesh.metric("proconsul_config_last_reload_successful").await, 1.0);
    assert_eq!(answered_by(&mesh).await, "b");
    load.stop_without_a_failure().await;
}

#[tokio::test]
async fn a_reload_can_be_asked_for() {
    let (mesh, a, b) = mesh().await;
    let report = mesh.reloaded_by(|| mesh.signal(Signal::HUP)).await;
    assert_eq!((&report["result"], &report["cause"]), (&"applied".into(), &"SIGHUP".into()));

    mesh.edit(&a.to_string(), &b.to_string());
    let answer = mesh.admin("POST", "/-/reload").await;
    assert_eq!((answer.status, &answer.json()["result"]), (200, &"applied".into()));
    assert_eq!(answered_by(&mesh).await, "b");

    mesh.edit("routes = [", "routes = ");
    let answer = mesh.admin("POST", "/-/reload").await;
    assert_eq!((answer.status, &answer.json()["result"]), (422, &"refused".into()));
    assert_eq!(mesh.admin("GET", "/-/reload").await.status, 405);
    assert_eq!(answered_by(&mesh).await, "b");
}

#[tokio::test]
async fn files_may_be_changed_in_many_ways() {
    let (mesh, a, b) = mesh().await;
    let (to_a, to_b) = (mesh.config(), mesh.config().replace(&a.to_string(), &b.to_string()));

    mesh.replace("proconsul.toml", &to_b); // renamed over, as editors do
    goes_to(&mesh, "b").await;

    fs::remove_file(mesh.config_path()).unwrap(); // removed and made again, as other editors do
    fs::write(mesh.config_path(), &to_a).unwrap();
    goes_to(&mesh, "a").await;

    let (half, rest) = to_b.split_at(to_b.len() / 2); // in two steps
    fs::write(mesh.config_path(), half).unwrap();
    let mut file = fs::File::options().append(true).open(mesh.config_path()).unwrap();
    std::io::Write::write_all(&mut file, rest.as_bytes()).unwrap();
    goes_to(&mesh, "b").await;

    let before = mesh.metric("proconsul_config_reloads_total").await;
    for turn in 0..51 {
        fs::write(mesh.config_path(), if turn % 2 == 0 { &to_a } else { &to_b }).unwrap();
    }
    goes_to(&mesh, "a").await;
    let reloads = mesh.metric("proconsul_config_reloads_total").await - before;
    assert!(reloads <= 5.0, "a burst of 51 writes led to {reloads} reloads");
}

#[tokio::test]
async fn a_change_during_a_reload_is_not_lost() {
    let (mesh, a, b) = mesh().await;
    let texts = [&a, &b].map(|up| mesh.config().replace(&a.to_string(), &up.to_string()));
    for turn in 0..20 {
        let reload = mesh.admin("POST", "/-/reload");
        let edit = async {
            tokio::task::yield_now().await;
            mesh.replace("proconsul.toml", &texts[(turn + 1) % 2]);
        };
        let (answer, ()) = tokio::join!(reload, edit);
        assert_eq!(answer.status, 200);
        goes_to(&mesh, ["b", "a"][turn % 2]).await;
    }
}

#[tokio::test]
async fn a_config_map_is_followed_through_its_symlinks() {
    let (a, b) = (Upstream::echo("a").await, Upstream::echo("b").await);
    let builder = Mesh::with("include = \"conf.d/*.toml\"").file("conf.d/readme", "");
    let service = |up: &Upstream| {
        format!(
            "[services.web]\nendpoints = [{{ address = \"{up}\" }}]\n[[routes]]\nservice = \"web\"\n"
        )
    };
    let folder = builder.path("conf.d");
    for (version, up) in [("..v1", &a), ("..v2", &b)] {
        fs::create_dir_all(folder.join(version)).unwrap();
        fs::write(folder.join(version).join("web.toml"), service(up)).unwrap();
    }
    symlink("..v1", folder.join("..data")).unwrap();
    symlink("..data/web.toml", folder.join("web.toml")).unwrap();
    let mesh = builder.start().await;
    assert_eq!(answered_by(&mesh).await, "a");
    for (version, name) in [("..v2", "b"), ("..v1", "a"), ("..v2", "b")] {
        symlink(version, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
        goes_to(&mesh, name).await;
    }
}

#[tokio::test]
async fn fragments_come_and_go() {
    let (a, b) = (Upstream::echo("a").await, Upstream::echo("b").await);
    let mesh = Mesh::with(
        "services.web.endpoints = [{ address = \"@a\" }]\nroutes = [{ service = \"web\" }]",
    )
    .at("a", &a)
    .file("conf.d/readme", "")
    .start()
    .await;
    let fragment = format!(
        "services.other.endpoints = [{{ address = \"{b}\" }}]\nroutes = [{{ path = \"/other\", service = \"other\" }}]\n"
    );
    let report = mesh.reloaded_by(|| mesh.replace("conf.d/other.toml", &fragment)).await;
    assert_eq!(report["result"], "applied", "{report:#}");
    assert_eq!(mesh.get("/other").await.header("x-upstream").as_deref(), Some("b"));
    assert_eq!(answered_by(&mesh).await, "a");
    let fragment = mesh.path("conf.d/other.toml");
    mesh.reloaded_by(|| fs::remove_file(fragment).unwrap()).await;
    assert_eq!(mesh.get("/other").await.header("x-upstream").as_deref(), Some("a"));
    let series = mesh.admin("GET", "/metrics").await.text();
    assert!(!series.contains("service=\"other\""), "a service that left has series:\n{series}");
}

#[tokio::test]
async fn certificates_are_exchanged_at_the_next_handshake() {
    let up = Upstream::echo("up").await;
    let (first, second) = (Certificate::of("site.test"), Certificate::of("site.test"));
    let mesh = Mesh::to(&up).tls(&first).start().await;
    let shows = async |certificate: &Certificate| {
        certificate.connect(mesh.listener, "site.test", &[]).await.is_ok()
    };
    assert!(shows(&first).await && !shows(&second).await);
    let open = first.connect(mesh.listener, "site.test", &[]).await.unwrap();

    let report = mesh.reloaded_by(|| mesh.replace("site.pem", &second.pem)).await;
    assert_eq!(report["result"], "refused", "a certificate without its key: {report:#}");
    assert!(report["reasons"].to_string().contains("is not the private key of"), "{report:#}");
    assert!(shows(&first).await);

    let report = mesh.reloaded_by(|| mesh.replace("site.key", &second.key)).await;
    assert_eq!(report["result"], "applied", "{report:#}");
    assert!(shows(&second).await && !shows(&first).await);
    let answer = crate::mesh::Connection::over(open).get("/").await;
    assert_eq!(answer.status, 200, "open connections go on");

    let report = mesh.reloaded_by(|| mesh.replace("site.pem", "-----BEGIN nonsense")).await;
    assert_eq!(report["result"], "refused");
    assert!(shows(&second).await);
}

#[tokio::test]
async fn a_certificate_may_come_before_its_key() {
    let (first, second) = (Certificate::of("site.test"), Certificate::of("site.test"));
    let builder = Mesh::to(&Upstream::echo("up").await).tls(&first).bare_log();
    let mesh = builder.server("[log]\nlevel = \"info,proconsul::app=debug\"").start().await;
    mesh.replace("site.pem", &second.pem);
    mesh.logged(&["cannot be used", "is not the private key of"]).await;
    let report = mesh.reloaded_by(|| mesh.replace("site.key", &second.key)).await;
    assert_eq!(report["result"], "applied", "{report:#}");
    assert!(second.connect(mesh.listener, "site.test", &[]).await.is_ok());
    assert_eq!(mesh.metric("proconsul_config_reloads_total{result=\"refused\"}").await, 0.0);
}

#[tokio::test]
async fn connections_that_other_certificates_made_are_not_used_again() {
    let (inner, other) = (Certificate::of("inner.test"), Certificate::of("inner.test"));
    let up = Upstream::serve(Some(inner.acceptor(&[])), |_| async {
        hyper::Response::new(crate::mesh::upstream::body("secret"))
    })
    .await;
    let mesh = Mesh::with(
        r#"
        routes = [{ service = "web" }]
        [services.web]
        endpoints = [{ address = "@up" }]
        tls = { ca = "ca.pem", server_name = "inner.test", client_certificate = { certificate = "own.pem", key = "own.key" } }
        "#,
    )
    .at("up", &up)
    .file("ca.pem", inner.pem.as_str())
    .file("own.pem", inner.pem.as_str())
    .file("own.key", inner.key.as_str())
    .start()
    .await;
    let status = async || mesh.get("/").await.status;
    for _ in 0..3 {
        assert_eq!((status().await, up.connections()), (200, 1), "it is pooled");
    }
    mesh.reloaded_by(|| mesh.replace("own.pem", format!("{}{}", inner.pem, other.pem))).await;
    assert_eq!((status().await, up.connections()), (200, 2), "another chain");
    mesh.reloaded_by(|| mesh.replace("ca.pem", &other.pem)).await;
    assert_eq!(status().await, 502, "the upstream is trusted no more");
    mesh.reloaded_by(|| mesh.replace("ca.pem", &inner.pem)).await;
    assert_eq!(status().await, 200);
}

#[tokio::test]
async fn what_is_not_changed_forgets_nothing() {
    let (a, b, c) =
        (Upstream::echo("a").await, Upstream::echo("b").await, Upstream::echo("c").await);
    let slow = Upstream::http(|_| std::future::pending()).await;
    let mesh = Mesh::with(
        r#"
        services.slow.endpoints = [{ address = "@slow" }]
        services.web.endpoints = [{ address = "@a" }, { address = "@b" }, { address = "@c" }]
        routes = [{ service = "web" }, { service = "slow", path = "/slow" }]
        "#,
    )
    .at("slow", &slow)
    .at("a", a)
    .at("b", b)
    .at("c", c)
    .start()
    .await;
    let mut waiting = mesh.connect().await;
    waiting.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
    eventually("the slow request to arrive", || async { (slow.requests() == 1).then_some(()) })
        .await;
    let first = answered_by(&mesh).await;
    let in_order = ["a", "b", "c", "a", "b", "c"];
    let at = in_order.iter().position(|name| *name == first).unwrap();
    let endpoint = |status: &serde_json::Value, service: &str, index: usize| {
        status["services"][service]["endpoints"][index].clone()
    };
    let latency = eventually("a latency", || async {
        let latency = endpoint(&mesh.status().await, "web", at)["latency_us"].as_u64()?;
        (latency > 0).then_some(latency)
    })
    .await;

    // A route, and the other service.
    mesh.edit_and_wait("path = \"/slow\"", "path = \"/slow\", timeouts = { connect = \"9s\" }")
        .await;
    let status = mesh.status().await;
    assert_eq!(endpoint(&status, "slow", 0)["requests_in_flight"], 1);
    assert!(latency > 0 && endpoint(&status, "web", at)["latency_us"].as_u64().unwrap() > 0);
    assert_eq!(answered_by(&mesh).await, in_order[at + 1], "round-robin goes on where it was");

    // The service itself: its strategy and endpoints stay.
    mesh.edit_and_wait(
        "services.slow.endpoints",
        "services.slow.connect_tries = 1\nservices.slow.endpoints",
    )
    .await;
    mesh.edit_and_wait(
        "services.web.endpoints",
        "services.web.connect_tries = 2\nservices.web.endpoints",
    )
    .await;
    assert_eq!(endpoint(&mesh.status().await, "slow", 0)["requests_in_flight"], 1);
    assert_eq!(answered_by(&mesh).await, in_order[at + 2]);

    // An endpoint that takes no requests for a while.
    let address = endpoint(&mesh.status().await, "web", at)["address"].clone();
    let with_weight = |weight| format!("address = {address}, weight = {weight} }}");
    mesh.edit_and_wait(&format!("address = {address} }}"), &with_weight(0)).await;
    assert_eq!(endpoint(&mesh.status().await, "web", 2), serde_json::Value::Null);
    mesh.edit_and_wait("path = \"/slow\"", "path = \"/slow\", name = \"other\"").await;
    mesh.edit_and_wait(&with_weight(0), &with_weight(1)).await;
    let back = endpoint(&mesh.status().await, "web", at);
    assert!(back["address"] == address && back["latency_us"].as_u64() > Some(0), "{back:#}");
}

#[tokio::test]
async fn limits_change_and_addresses_wait() {
    let (mesh, ..) = mesh().await;
    mesh.edit_and_wait("[listeners.http]\n", "[listeners.http]\nmax_uri_bytes = \"20B\"\n").await;
    assert_eq!(mesh.get("/a-path-longer-than-that").await.status, 414);
    let elsewhere = crate::mesh::free_address();
    let report =
        mesh.reloaded_by(|| mesh.edit(&mesh.listener.to_string(), &elsewhere.to_string())).await;
    assert_eq!(report["result"], "applied");
    assert!(
        report["needs_restart"].to_string().contains("listener http changed: address"),
        "{report:#}"
    );
    assert_eq!(mesh.get("/").await.status, 200, "the old address goes on");
    mesh.logged(&["WARN", "takes effect at a restart only"]).await;
}

/// Resident memory of a process, in kilobytes.
fn resident_kb(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hundred_reloads_under_load_cost_no_request_and_no_memory() {
    let (mesh, a, b) = mesh().await;
    let load = Load::start(mesh.listener, 4, "");
    let strategies = ["round-robin", "least-connections", "random", "weighted-round-robin"];
    let good = mesh.config();
    let mut after_thirty = 0;
    for turn in 0..100 {
        let up = if turn % 2 == 0 { &b } else { &a };
        let strategy = strategies[turn % strategies.len()];
        let text = format!("services.web.strategy = \"{strategy}\"\n{good}");
        mesh.replace("proconsul.toml", text.replace(&a.to_string(), &up.to_string()));
        let answer = mesh.admin("POST", "/-/reload").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        if turn == 30 {
            after_thirty = resident_kb(mesh.pid());
        }
    }
    load.goes_on(10).await;
    let done = load.stop_without_a_failure().await;
    let after_all = resident_kb(mesh.pid());
    println!("{done} requests; {after_thirty} kB after 30 reloads, {after_all} kB after 100");
    assert!(after_all < after_thirty + after_thirty / 4, "{after_thirty} kB, then {after_all} kB");
}
