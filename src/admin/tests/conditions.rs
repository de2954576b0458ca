//! Two writers at one thing.

use axum::http::StatusCode;
use serde_json::json;

use super::{Api, asked};

const INSTANCE: &str = "/v1/services/web/instances/a";

#[tokio::test]
async fn a_change_on_a_condition_holds_while_nothing_changed() {
    let api = Api::new().await;
    let old = api.register("web", "a", json!({})).await.header("etag");
    let new = api.register("web", "a", json!({ "weight": 2 })).await.header("etag");
    assert_ne!(old, new);
    let body = || Some(json!({ "host": "h", "port": 1 }));
    let cases = [
        ("if-match", old.as_str(), 412),
        ("if-match", new.as_str(), 200),
        ("if-match", "*", 200),
        ("if-none-match", "*", 412),
        ("if-match", "W/\"1\"", 400),
        ("if-match", "\"1\", \"2\"", 400),
        ("if-match", "\"0\"", 400),
        ("if-none-match", "\"1\"", 400),
    ];
    for (name, value, expected) in cases {
        let mut request = asked("admin", "PUT", INSTANCE, body());
        let name: axum::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = api.send(request).await;
        assert_eq!(answer.status.as_u16(), expected, "{value}: {answer:?}");
    }
    let mut absent = asked("admin", "PUT", "/v1/services/web/instances/new", body());
    absent.headers_mut().insert("if-match", "*".parse().unwrap());
    assert_eq!(api.send(absent).await.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn who_knows_it_already_is_told_so() {
    let api = Api::new().await;
    api.register("web", "a", json!({})).await;
    for path in ["/v1/services/web", "/v1/services/web/instances", INSTANCE] {
        let tag = api.get(path).await.header("etag");
        let mut again = asked("admin", "GET", path, None);
        again.headers_mut().insert("if-none-match", tag.parse().unwrap());
        let answer = api.send(again).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{path}");
    }
}

#[tokio::test]
async fn a_description_leaves_deprecations_as_they_are() {
    let api = Api::new().await;
    api.register("web", "a", json!({ "version": "1.2.3" })).await;
    let deprecation = json!({
        "versions": "<2", "reason": "slow", "replacement": "web 2", "since": "2026-01-01T00:00:00Z",
        "sunset": "2027-01-01T00:00:00Z",
    });
    let path = "/v1/services/web/deprecations";
    assert_eq!(api.ask("PUT", path, Some(deprecation)).await.status, StatusCode::CREATED);
    let described = api.ask("PUT", "/v1/services/web", Some(json!({ "owner": "us" }))).await.json();
    assert_eq!(described["deprecations"][0]["versions"], "<2");

    let found = api.get("/v1/services/web/instances").await;
    assert_eq!(found.header("deprecation"), "@1767225600");
    assert_eq!(found.header("sunset"), "Fri, 01 Jan 2027 00:00:00 GMT");
    assert_eq!(found.json()["items"][0]["deprecation"]["replacement"], "web 2");

    let answer = api.ask("DELETE", &format!("{path}?version=%3C2"), None).await;
    assert_eq!(answer.json()["deprecations"], json!([]), "{answer:?}");
    assert!(api.get("/v1/services/web/instances").await.headers.get("deprecation").is_none());
}
