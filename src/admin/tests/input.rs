//! What is refused, with every mistake.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::Api;

const INSTANCE: &str = "/v1/services/web/instances/a";

#[tokio::test]
async fn every_mistake_of_a_body_is_named() {
    let api = Api::new().await;
    let checks = |check: Value| json!({ "host": "h", "port": 1, "checks": [check] });
    let cases: [(&str, &str, Value, &[&str]); 15] = [
        ("PUT", INSTANCE, json!({}), &["/host", "/port"]),
        ("PUT", INSTANCE, json!([]), &[""]),
        ("PUT", INSTANCE, json!({ "host": "10.0.0.256", "port": 0 }), &["/host", "/port"]),
        (
            "PUT",
            INSTANCE,
            json!({ "host": "h", "port": "80", "version": "1", "weight": -1, "ttl": "1ms", "tags": ["ok", "a b"], "metadata": { "k": 1 }, "zone": "\u{7}", "colour": "red" }),
            &["/colour", "/metadata/k", "/port", "/tags/1", "/ttl", "/version", "/weight", "/zone"],
        ),
        ("PUT", INSTANCE, json!({ "host": "h", "port": 1, "ttl": "25h" }), &["/ttl"]),
        ("PUT", INSTANCE, checks(json!({ "name": "c" })), &["/checks/0"]),
        ("PUT", INSTANCE, checks(json!({ "name": "c", "http": {}, "tcp": {} })), &["/checks/0"]),
        (
            "PUT",
            INSTANCE,
            checks(
                json!({ "name": "c d", "rise": 0, "jitter": 0.6, "timeout": "1h", "http": { "path": "x", "method": "G T", "statuses": ["200", "99-100"], "body_matches": "(", "port": 0 } }),
            ),
            &[
                "/checks/0/http/body_matches",
                "/checks/0/http/method",
                "/checks/0/http/path",
                "/checks/0/http/port",
                "/checks/0/http/statuses/1",
                "/checks/0/jitter",
                "/checks/0/name",
                "/checks/0/rise",
                "/checks/0/timeout",
            ],
        ),
        (
            "PUT",
            INSTANCE,
            checks(json!({ "name": "c", "plugin": "evil.wasm" })),
            &["/checks/0/plugin"],
        ),
        (
            "PUT",
            "/v1/services/web",
            json!({ "group": "", "dependencies": ["a", "b c"], "tags": 1 }),
            &["/dependencies/1", "/group", "/tags"],
        ),
        (
            "PUT",
            "/v1/services/web/deprecations",
            json!({ "versions": "one", "since": "soon", "sunset": 1 }),
            &["/since", "/sunset", "/versions"],
        ),
        (
            "POST",
            "/v1/heartbeats",
            json!({ "heartbeats": [{ "service": "web", "instance": "a" }, { "service": "a b", "instance": "", "load": { "cpu": 2 } }] }),
            &["/heartbeats/1/instance", "/heartbeats/1/load/cpu", "/heartbeats/1/service"],
        ),
        (
            "POST",
            "/v1/subscriptions",
            json!({ "service": "", "url": "http://127.0.0.1/", "secret": "short" }),
            &["/secret", "/service", "/url"],
        ),
        ("POST", "/v1/backup", json!({ "file": "../x" }), &["/file"]),
        (
            "PUT",
            "/v1/services/web/instances/a/maintenance",
            json!({ "reason": "\u{1b}[2J" }),
            &["/reason"],
        ),
    ];
    for (method, path, body, expected) in cases {
        let answer = api.ask(method, path, Some(body.clone())).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body} {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.mistakes(), expected, "{body} {answer:?}");
    }
    assert_eq!(api.registry.snapshot().services.len(), 0, "nothing of it was done");
}

#[tokio::test]
async fn every_mistake_of_a_query_is_named() {
    let api = Api::new().await;
    api.register("web", "a", json!({})).await;
    let cases: [(&str, &[&str]); 7] = [
        ("/v1/services?limit=0&after=x&namespace=a%20b&x=1", &["after", "limit", "namespace", "x"]),
        ("/v1/services?limit=1&limit=2", &["limit"]),
        (
            "/v1/services/web/instances?version=one&metadata=k&health=fine&index=-1&wait=1&eligible=2",
            &["eligible", "health", "index", "metadata", "version", "wait"],
        ),
        ("/v1/services/web/instances?wait=11m&index=1", &["wait"]),
        ("/v1/services/web/pick?strategy=best", &["strategy"]),
        ("/v1/services/web/compatible", &["version"]),
        ("/v1/events?kind=nothing&since=a", &["kind", "since"]),
    ];
    for (path, expected) in cases {
        let answer = api.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {answer:?}");
        assert_eq!(answer.mistakes(), expected, "{path} {answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_as_a_problem() {
    let api = Api::new().await;
    let large = format!("{{\"zone\":\"{}\"}}", "x".repeat(5000));
    let cases = [
        ("PUT", INSTANCE, "application/json", "{", 400),
        ("PUT", INSTANCE, "application/json", "", 400),
        ("PUT", INSTANCE, "application/json", "{\"host\":\"h\",\"host\":\"i\",\"port\":1}", 422),
        ("PUT", INSTANCE, "application/json; charset=utf-8", "{}", 422),
        ("PUT", INSTANCE, "text/plain", "{}", 415),
        ("PUT", INSTANCE, "application/json", &large, 413),
        ("POST", INSTANCE, "application/json", "{}", 405),
        ("GET", "/v1/nothing", "application/json", "", 404),
        ("GET", "/nothing", "application/json", "", 404),
        ("POST", "/metrics", "application/json", "", 405),
        ("GET", "/v1/services/a%20b", "application/json", "", 400),
        ("GET", "/v1/services/%FF", "application/json", "", 404),
    ];
    for (method, path, kind, body, expected) in cases {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer admin")
            .header("content-type", kind)
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = api.send(request).await;
        assert_eq!(answer.status.as_u16(), expected, "{method} {path} {kind}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}");
        assert_eq!(answer.json()["status"], expected);
        if expected == 405 {
            assert!(answer.header("allow").contains("GET"));
        }
    }
}
