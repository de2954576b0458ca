//! Who may do what, as a table.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

use super::{Api, asked};

/// A request, and the least role that may make it. A registrar may where the service is `web-1`.
const RIGHTS: [(&str, &str, &str); 32] = [
    ("GET", "/v1/services", "viewer"),
    ("GET", "/v1/services/web-1", "viewer"),
    ("PUT", "/v1/services/web-1", "operator"),
    ("DELETE", "/v1/services/web-1", "operator"),
    ("GET", "/v1/services/web-1/instances", "viewer"),
    ("POST", "/v1/services/web-1/instances", "registrar"),
    ("POST", "/v1/services/other/instances", "operator"),
    ("GET", "/v1/services/web-1/instances/a", "viewer"),
    ("PUT", "/v1/services/web-1/instances/a", "registrar"),
    ("PUT", "/v1/services/other/instances/a", "operator"),
    ("PUT", "/v1/services/web-1/instances/a?namespace=shop", "operator"),
    ("PATCH", "/v1/services/web-1/instances/a", "registrar"),
    ("PATCH", "/v1/services/other/instances/a", "operator"),
    ("DELETE", "/v1/services/web-1/instances/a", "registrar"),
    ("DELETE", "/v1/services/other/instances/a", "operator"),
    ("PUT", "/v1/services/web-1/instances/a/heartbeat", "registrar"),
    ("PUT", "/v1/services/other/instances/a/heartbeat", "operator"),
    ("PUT", "/v1/services/web-1/instances/a/maintenance", "registrar"),
    ("PUT", "/v1/services/other/instances/a/maintenance", "operator"),
    ("POST", "/v1/heartbeats", "registrar"),
    ("GET", "/v1/services/web-1/pick", "viewer"),
    ("PUT", "/v1/services/web-1/deprecations", "operator"),
    ("DELETE", "/v1/services/web-1/deprecations?version=1", "operator"),
    ("GET", "/v1/groups", "viewer"),
    ("PUT", "/v1/groups/g/maintenance", "operator"),
    ("DELETE", "/v1/groups/g/maintenance", "operator"),
    ("POST", "/v1/groups/g/drain", "operator"),
    ("GET", "/v1/events", "viewer"),
    ("GET", "/v1/audit", "admin"),
    ("GET", "/v1/plugins", "viewer"),
    ("POST", "/v1/backup", "admin"),
    ("POST", "/v1/subscriptions", "registrar"),
];

const ROLES: [&str; 4] = ["viewer", "registrar", "operator", "admin"];

#[tokio::test]
async fn each_role_may_what_it_may_and_no_more() {
    let api = Api::new().await;
    for (method, path, least) in RIGHTS {
        let least = ROLES.iter().position(|role| *role == least).unwrap();
        for (place, role) in ROLES.iter().enumerate() {
            let answer = api.send(asked(role, method, path, Some(json!({})))).await;
            let allowed = answer.status != StatusCode::FORBIDDEN;
            assert_eq!(allowed, place >= least, "{role} {method} {path}: {answer:?}");
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{role} {method} {path}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_which_role_is_needed() {
    let api = Api::new().await;
    let answer = api.send(asked("viewer", "GET", "/v1/audit", None)).await;
    assert_eq!(answer.json()["detail"], "this needs the role `admin`; `viewer` has `viewer`");
    let answer = api.send(asked("registrar", "DELETE", "/v1/services/x/instances/a", None)).await;
    assert!(answer.json()["detail"].as_str().unwrap().contains("names `default/x`"), "{answer:?}");
}

#[tokio::test]
async fn heartbeats_of_many_are_for_those_that_the_token_names() {
    let api = Api::new().await;
    let beat = |service: &str| json!({ "heartbeats": [{ "service": service, "instance": "a" }] });
    for (service, expected) in [("web-1", 200), ("other", 403)] {
        let request = asked("registrar", "POST", "/v1/heartbeats", Some(beat(service)));
        assert_eq!(api.send(request).await.status, expected, "{service}");
    }
}

/// Address, headers, method and what is answered.
type Stranger<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, u16);

#[tokio::test]
async fn who_shows_nothing_may_what_the_configuration_says_from_this_machine_alone() {
    let api = Api::new().await;
    let strangers: [Stranger<'_>; 14] = [
        ("127.0.0.1:1", &[], "GET", 200),
        ("[::1]:1", &[], "GET", 200),
        ("[::ffff:127.0.0.1]:1", &[], "GET", 200),
        ("10.0.0.1:1", &[], "GET", 401),
        ("[2001:db8::1]:1", &[], "GET", 401),
        // A page may have talked a browser into it.
        ("127.0.0.1:1", &[("host", "localhost:9900")], "GET", 200),
        ("127.0.0.1:1", &[("host", "127.0.0.1:9900")], "GET", 200),
        ("127.0.0.1:1", &[("host", "[::1]:9900")], "GET", 200),
        ("127.0.0.1:1", &[("host", "evil.example:9900")], "GET", 401),
        ("127.0.0.1:1", &[("origin", "http://evil.example")], "PUT", 401),
        // A wrong token is not no token.
        ("127.0.0.1:1", &[("authorization", "Bearer nobody")], "GET", 401),
        ("127.0.0.1:1", &[("authorization", "Basic YTpi")], "GET", 401),
        ("127.0.0.1:1", &[("authorization", "Bearer")], "GET", 401),
        ("10.0.0.1:1", &[("authorization", "bearer viewer")], "GET", 200),
    ];
    for (address, headers, method, expected) in strangers {
        let mut request = Request::builder().method(method).uri("/v1/services");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = api.send_from(address, request.body(Body::empty()).unwrap()).await;
        let status = answer.status.as_u16();
        let status = if status == 405 { 401 } else { status };
        assert_eq!(status, expected, "{address} {headers:?} {method}: {answer:?}");
        if answer.status == StatusCode::UNAUTHORIZED {
            assert!(answer.header("www-authenticate").starts_with("Bearer realm="));
        }
    }
}

#[tokio::test]
async fn audit_records_say_who_and_from_where() {
    let api = Api::new().await;
    let body = json!({ "host": "10.0.0.1", "port": 80 });
    let request = asked("registrar", "PUT", "/v1/services/web-1/instances/a", Some(body));
    assert_eq!(api.send_from("192.0.2.7:99", request).await.status, StatusCode::CREATED);
    let audit = api.get("/v1/audit").await.json();
    let record = &audit["items"][0];
    let told = ["who", "from", "action", "subject"].map(|key| record[key].clone());
    assert_eq!(told, ["registrar", "192.0.2.7", "instance.register", "default/web-1/a"]);
    assert_eq!(record["before"], Value::Null);
    assert_eq!(record["after"]["port"], 80);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_again() {
    let api = Api::new().await;
    let mut limits = **api.limits.load();
    limits.requests_per_second = 1;
    api.limits.store(limits.into());
    assert_eq!(api.get("/v1/services").await.status, StatusCode::OK);
    let answer = api.get("/v1/services").await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "1");
    let metrics = api.get("/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK, "what is not the API is not limited");
}
