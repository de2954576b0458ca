//! `GET …/pick`: by the strategy that serves, by one that is only named, and what is said of unknown ones.

use std::collections::BTreeSet;

use hyper::Response;
use serde_json::{Value, json};

use super::admin_api::{ask, open_mesh, register};
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

const WEB: &str = "[strategies.near]\nplugin = \"geographic\"\n\
                   [strategies.sticky]\nplugin = \"consistent-hash\"\n\
                   hash_on = { header = \"x-user\" }\n\
                   [services.web]\nstrategy = \"sticky\"\n[[routes]]\nservice = \"web\"\n";

async fn pick(mesh: &Mesh, service: &str, query: &str) -> Value {
    let path = format!("/v1/services/{service}/pick{query}");
    ask(mesh, "GET", &path, None).await.json()
}

#[tokio::test]
async fn a_key_gets_the_instance_that_the_proxy_would_choose() {
    let mesh = open_mesh(WEB).start().await;
    let names = ["a", "b", "c", "d"];
    let mut upstreams = Vec::new();
    for name in names {
        let up = Upstream::http(move |_| async move { Response::new(body(name)) }).await;
        let (host, port) = (up.address.ip().to_string(), up.address.port());
        register(&mesh, name, json!({ "host": host, "port": port })).await;
        upstreams.push(up);
    }
    let serve = |user: u32| {
        let request = format!("GET / HTTP/1.1\r\nHost: h\r\nX-User: u{user}\r\n\r\n");
        let mesh = &mesh;
        async move { mesh.send(&request).await.text() }
    };
    eventually("requests to reach all of them", || async {
        let mut seen = BTreeSet::new();
        for user in 0..40 {
            seen.insert(serve(user).await);
        }
        (seen == names.map(String::from).into()).then_some(())
    })
    .await;
    let mut seen = BTreeSet::new();
    for user in 0..12 {
        let served = serve(user).await;
        let picked = pick(&mesh, "web", &format!("?key=u{user}")).await;
        assert_eq!(picked["id"], served, "user {user}");
        let named = pick(&mesh, "web", &format!("?strategy=sticky&key=u{user}")).await;
        assert_eq!(named["id"], served, "user {user}, by name");
        seen.insert(served);
    }
    assert!(seen.len() > 1, "{seen:?}");
}

#[tokio::test]
async fn a_strategy_that_serves_nobody_is_asked_by_its_name() {
    let mesh = open_mesh(WEB).server("zone = \"z2\"").start().await;
    // In no configuration: no service of the proxy takes these.
    for (id, zone) in [("a", "z1"), ("b", "z2"), ("c", "z3")] {
        let record = json!({ "host": "somewhere", "port": 80, "zone": zone, "weight": 3 });
        let path = format!("/v1/services/loose/instances/{id}");
        assert!(ask(&mesh, "PUT", &path, Some(record)).await.status < 300);
    }
    for _ in 0..6 {
        assert_eq!(pick(&mesh, "loose", "?strategy=near").await["id"], "b");
    }
    ask(&mesh, "DELETE", "/v1/services/loose/instances/b", None).await;
    for _ in 0..6 {
        let picked = pick(&mesh, "loose", "?strategy=near").await;
        assert!(["a", "c"].contains(&picked["id"].as_str().unwrap()), "{picked}");
    }
    mesh.edit_and_wait(
        "plugin = \"geographic\"",
        "plugin = \"geographic\"\nconfig = { zone = \"z3\" }",
    )
    .await;
    for _ in 0..6 {
        assert_eq!(pick(&mesh, "loose", "?strategy=near").await["id"], "c", "after the reload");
    }
}

#[tokio::test]
async fn an_unknown_strategy_is_refused_with_those_that_there_are() {
    let mesh = open_mesh(WEB).start().await;
    register(&mesh, "a", json!({})).await;
    let answer = ask(&mesh, "GET", "/v1/services/web/pick?strategy=best", None).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let known = ["near", "sticky", "weighted", "rendezvous"];
    assert!(known.iter().all(|name| answer.text().contains(name)), "{}", answer.text());
}
