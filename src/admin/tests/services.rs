//! Registering, finding, picking, operating.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Api;

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn instances_are_found_by_what_they_are() {
    let api = Api::new().await;
    api.register(
        "web",
        "a",
        json!({ "version": "1.2.0", "zone": "z1", "tags": ["x", "y"], "metadata": { "k": "v" } }),
    )
    .await;
    api.register("web", "b", json!({ "version": "1.9.0", "zone": "z2", "tags": ["x"] })).await;
    api.register("web", "c", json!({ "version": "2.0.0", "zone": "z1" })).await;
    api.register("web", "d", json!({})).await;
    api.ask("PUT", "/v1/services/web/instances/d/maintenance", Some(json!({}))).await;
    let cases: [(&str, &[&str]); 10] = [
        ("", &["a", "b", "c", "d"]),
        ("tag=x", &["a", "b"]),
        ("tag=x&tag=y", &["a"]),
        ("metadata=k%3Dv", &["a"]),
        ("version=%5E1.2", &["a", "b"]),
        ("version=%3E%3D1.5,%20%3C3", &["b", "c"]),
        ("zone=z1&version=%5E2", &["c"]),
        ("health=passing&eligible=false", &["d"]),
        ("health=critical", &[]),
        ("limit=2&after=b", &["c", "d"]),
    ];
    for (query, expected) in cases {
        let page = api.get(&format!("/v1/services/web/instances?{query}")).await.json();
        assert_eq!(ids(&page), expected, "{query}");
    }
    let page = api.get("/v1/services/web/instances?limit=3").await.json();
    assert_eq!(page["next"], "c");
    let page = api.get("/v1/services/web/instances?limit=4").await.json();
    assert_eq!(page.get("next"), None);
}

#[tokio::test]
async fn services_are_listed_page_by_page() {
    let api = Api::new().await;
    for name in ["a", "b", "c"] {
        api.register(name, "1", json!({})).await;
    }
    api.register("d", "1", json!({})).await;
    let elsewhere = json!({ "host": "h", "port": 1 });
    api.ask("PUT", "/v1/services/e/instances/1?namespace=shop", Some(elsewhere)).await;
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = api.get("/v1/services?limit=3").await.json();
    assert_eq!(names(&first), ["a", "b", "c"]);
    let next = format!("/v1/services?limit=3&after={}", first["next"].as_str().unwrap());
    let last = api.get(&next).await.json();
    assert_eq!((names(&last), last.get("next")), (vec!["d".to_owned()], None));
    assert_eq!(names(&api.get("/v1/services?namespace=shop").await.json()), ["e"]);
    assert_eq!(names(&api.get("/v1/services?namespace=*").await.json()).len(), 5);
    assert_eq!(names(&api.get("/v1/services?namespace=none").await.json()).len(), 0);
}

#[tokio::test]
async fn a_patch_changes_what_it_says_and_takes_away_what_is_null() {
    let api = Api::new().await;
    let checks = json!([{ "name": "c", "tcp": {} }]);
    let first = json!({ "version": "1.0.0", "metadata": { "a": "1", "b": "2" }, "checks": checks });
    api.register("web", "a", first).await;
    let patch = json!({ "version": null, "metadata": { "a": null, "c": "3" }, "weight": 7 });
    let answer = api.ask("PATCH", "/v1/services/web/instances/a", Some(patch)).await;
    let view = answer.json();
    assert_eq!(view["version"], Value::Null);
    assert_eq!(view["metadata"], json!({ "b": "2", "c": "3" }));
    assert_eq!((view["weight"].clone(), view["host"].clone()), (json!(7), json!("10.0.0.1")));
    assert_eq!(view["checks"][0]["kind"], "tcp");
    let answer = api.ask("PATCH", "/v1/services/web/instances/a", Some(json!({ "port": 0 }))).await;
    assert_eq!(answer.mistakes(), ["/port"]);
}

#[tokio::test]
async fn a_new_instance_is_told_where_it_is() {
    let api = Api::new().await;
    let body = json!({ "host": "h", "port": 1 });
    let answer = api.ask("POST", "/v1/services/web/instances", Some(body)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(api.get(&answer.header("location")).await.json()["host"], "h");
}

#[tokio::test]
async fn heartbeats_bring_loads_and_tell_of_strangers() {
    let api = Api::new().await;
    api.register("web", "a", json!({ "ttl": "30s" })).await;
    let path = "/v1/services/web/instances/a/heartbeat";
    assert_eq!(api.ask("PUT", path, None).await.json(), json!({ "ttl": "30s" }));
    let beaten = api.ask("PUT", path, Some(json!({ "cpu": 0.5, "in_flight": 3 }))).await;
    assert_eq!(beaten.status, StatusCode::OK);
    let load = api.get("/v1/services/web/instances/a").await.json()["vitals"]["load"].clone();
    assert_eq!((load["cpu"].clone(), load["in_flight"].clone()), (json!(0.5), json!(3)));
    assert!(load["age_ms"].as_u64().unwrap() < 10_000);
    let gone = api.ask("PUT", "/v1/services/web/instances/b/heartbeat", None).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);

    let beats = json!({ "heartbeats": [
        { "service": "web", "instance": "a" }, { "service": "web", "instance": "b" },
    ] });
    let answer = api.ask("POST", "/v1/heartbeats", Some(beats)).await.json();
    assert_eq!(answer["taken"], 1);
    assert_eq!(answer["unknown"][0]["pointer"], "/heartbeats/1");
}

#[tokio::test]
async fn a_pick_is_of_those_that_may_be_given_requests() {
    let api = Api::new().await;
    assert_eq!(api.get("/v1/services/web/pick").await.status, StatusCode::NOT_FOUND);
    api.register("web", "a", json!({ "weight": 0 })).await;
    assert_eq!(api.get("/v1/services/web/pick").await.status, StatusCode::SERVICE_UNAVAILABLE);
    for id in ["b", "c"] {
        api.register("web", id, json!({})).await;
    }
    let mut picked = std::collections::BTreeSet::new();
    for strategy in ["weighted", "random", "least-connections", "rendezvous&key=k"] {
        for _ in 0..4 {
            let answer =
                api.get(&format!("/v1/services/web/pick?strategy={strategy}")).await.json();
            picked.insert(answer["id"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(picked, ["b", "c"].map(String::from).into());
    let keyed = || api.get("/v1/services/web/pick?key=user-7");
    assert_eq!(keyed().await.json()["id"], keyed().await.json()["id"]);
    for id in ["b", "c"] {
        let path = format!("/v1/services/web/instances/{id}/maintenance");
        api.ask("PUT", &path, Some(json!({ "reason": "disk" }))).await;
    }
    assert_eq!(api.get("/v1/services/web/pick").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn versions_tell_which_serve() {
    let api = Api::new().await;
    api.register("web", "a", json!({ "version": "1.0.0" })).await;
    api.register("web", "b", json!({ "version": "2.0.0" })).await;
    api.ask("PUT", "/v1/services/web/instances/b/maintenance", Some(json!({}))).await;
    let versions = api.get("/v1/services/web/versions").await.json();
    assert_eq!(versions["versions"][0]["version"], "2.0.0");
    assert_eq!(versions["versions"][0]["active"], false);
    let fits = api.get("/v1/services/web/compatible?version=%3E%3D1").await.json();
    assert_eq!((fits["best"].clone(), fits["compatible"].clone()), (json!("1.0.0"), json!(true)));
    let none = api.get("/v1/services/web/compatible?version=%5E2").await.json();
    assert_eq!((none["best"].clone(), none["compatible"].clone()), (Value::Null, json!(false)));
}

#[tokio::test]
async fn a_group_is_operated_on_as_one() {
    let api = Api::new().await;
    for service in ["a", "b"] {
        api.ask("PUT", &format!("/v1/services/{service}"), Some(json!({ "group": "shop" }))).await;
        api.register(service, "1", json!({})).await;
    }
    let groups = api.get("/v1/groups").await.json();
    assert_eq!(groups["items"][0]["services"], json!(["default/a", "default/b"]));
    let path = "/v1/groups/shop/maintenance";
    let changed = api.ask("PUT", path, Some(json!({ "reason": "move" }))).await.json();
    assert_eq!(changed["instances"], 2);
    let health = api.get("/v1/health").await.json();
    assert_eq!(health["items"][0]["reason"], "none of 1 instances may be given requests");
    assert_eq!(api.ask("DELETE", path, None).await.json()["instances"], 2);
    let none = api.ask("POST", "/v1/groups/none/drain", None).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_subscription_is_its_owners() {
    let api = Api::new().await;
    let body = json!({ "service": "web-1", "url": "http://10.0.0.9/hook" });
    let request = super::asked("registrar", "POST", "/v1/subscriptions", Some(body));
    let made = api.send(request).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.json()["secret"].as_str().unwrap().len(), 64);
    let path = made.header("location");
    let seen = api.send(super::asked("registrar", "GET", &path, None)).await.json();
    assert_eq!((seen["delivery"]["status"].clone(), seen.get("secret")), (json!("waiting"), None));
    for method in ["GET", "DELETE"] {
        let other = api.send(super::asked("operator", method, &path, None)).await;
        assert_eq!(other.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(api.ask("DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
}
