//! Picking over the API: clients that go to an instance by themselves get whom the proxy would have asked.

use serde_json::{Value, json};

use super::admin_api::{ask, open_mesh, register};
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

const CONFIG: &str = "[strategies.by-user]\nplugin = \"consistent-hash\"\n\
                      hash_on = { header = \"x-user\" }\n\
                      [services.web]\nstrategy = \"by-user\"\n[[routes]]\nservice = \"web\"\n";

/// Registers `a`, `b` and `c`, which answer with their names, and waits until each gets requests.
async fn three(mesh: &Mesh) -> Vec<Upstream> {
    let mut upstreams = Vec::new();
    for name in ["a", "b", "c"] {
        let up = Upstream::echo(name).await;
        let (host, port) = (up.address.ip().to_string(), up.address.port());
        register(mesh, name, json!({ "host": host, "port": port })).await;
        upstreams.push(up);
    }
    eventually("all to be asked", || async {
        let mut seen = Vec::new();
        for user in 0..40 {
            seen.push(routed(mesh, &format!("probe-{user}")).await);
        }
        ["a", "b", "c"].iter().all(|name| seen.iter().any(|seen| seen == name)).then_some(())
    })
    .await;
    upstreams
}

/// Who answers a user's request.
async fn routed(mesh: &Mesh, user: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: test\r\nX-User: {user}\r\n\r\n");
    let answer = mesh.send(&request).await;
    if answer.status != 200 {
        return answer.status.to_string();
    }
    answer.json()["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_picks_gets_whom_the_proxy_would_ask() {
    let mesh = open_mesh(CONFIG).start().await;
    let _upstreams = three(&mesh).await;
    for user in 0..20 {
        let user = format!("user-{user}");
        for named in ["", "&strategy=by-user"] {
            let path = format!("/v1/services/web/pick?key={user}{named}");
            let picked = ask(&mesh, "GET", &path, None).await.json();
            assert_eq!(picked["id"], routed(&mesh, &user).await, "{picked:#}");
        }
    }
    assert!(mesh.metric("proconsul_plugin_picks_total{strategy=\"by-user\"}").await >= 80.0);
}

#[tokio::test]
async fn a_strategy_that_is_not_there_is_refused_with_those_that_are() {
    let mesh = open_mesh(CONFIG).start().await;
    register(&mesh, "a", json!({})).await;
    let answer = ask(&mesh, "GET", "/v1/services/web/pick?strategy=mine", None).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    for known in ["by-user", "weighted", "rendezvous"] {
        assert!(answer.text().contains(known), "{}", answer.text());
    }
    let native = ask(&mesh, "GET", "/v1/services/web/pick?strategy=random", None).await;
    assert_eq!((native.status, &native.json()["id"]), (200, &json!("a")));
}

/// What the strategy `near` picks of the service `loose`.
async fn near(mesh: &Mesh) -> Value {
    ask(mesh, "GET", "/v1/services/loose/pick?strategy=near", None).await.json()
}

#[tokio::test]
async fn a_strategy_that_serves_nobody_is_asked_by_its_name() {
    let mesh = open_mesh(&format!("[strategies.near]\nplugin = \"geographic\"\n{CONFIG}"))
        .server("zone = \"z2\"")
        .start()
        .await;
    // In no configuration: no service of the proxy takes these.
    for (id, zone) in [("a", "z1"), ("b", "z2"), ("c", "z3")] {
        let record = json!({ "host": "somewhere", "port": 80, "zone": zone, "weight": 3 });
        let path = format!("/v1/services/loose/instances/{id}");
        assert!(ask(&mesh, "PUT", &path, Some(record)).await.status < 300);
    }
    for _ in 0..6 {
        assert_eq!(near(&mesh).await["id"], "b");
    }
    ask(&mesh, "DELETE", "/v1/services/loose/instances/b", None).await;
    for _ in 0..6 {
        let picked = near(&mesh).await;
        assert!(["a", "c"].contains(&picked["id"].as_str().unwrap()), "{picked}");
    }
    mesh.edit_and_wait(
        "plugin = \"geographic\"",
        "plugin = \"geographic\"\nconfig = { zone = \"z3\" }",
    )
    .await;
    for _ in 0..6 {
        assert_eq!(near(&mesh).await["id"], "c", "after the reload");
    }
}
