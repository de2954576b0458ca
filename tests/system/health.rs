//! Health as traffic feels it: who is not well gets no requests, and gets them again when it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use hyper::Response;
use serde_json::{Value, json};

use super::admin_api::{ask, open_mesh, register};
use crate::mesh::proxy::ended;
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

const ROUTE: &str = "[[routes]]\nservice = \"web\"\n";

/// A check that looks ten times a second, and believes what it sees.
const QUICK: &str = "[checks.ready]\ninterval = \"100ms\"\ninterval_changing = \"100ms\"\n\
                     interval_down = \"100ms\"\nrise = 1\nfall = 1\nhttp = { path = \"/ready\" }\n";

/// Answers requests with its name, and `/ready` with a status of the test's choice.
async fn moody(name: &'static str) -> (Upstream, Arc<AtomicU16>) {
    let mood = Arc::new(AtomicU16::new(200));
    let felt = mood.clone();
    let upstream = Upstream::http(move |request| {
        let status = match request.uri().path() {
            "/ready" => felt.load(Ordering::SeqCst),
            _ => 200,
        };
        let mut response = Response::new(body(name));
        *response.status_mut() = status.try_into().unwrap();
        async move { response }
    })
    .await;
    (upstream, mood)
}

/// Who answers the next requests, one each.
async fn answering(mesh: &Mesh, requests: usize) -> Vec<String> {
    let mut names = Vec::new();
    for _ in 0..requests {
        let answer = mesh.get("/").await;
        names.push(match answer.status {
            200 => answer.text(),
            status => status.to_string(),
        });
    }
    names
}

async fn until_only(mesh: &Mesh, names: &[&str]) {
    eventually(&format!("only {names:?} to answer"), || async {
        let mut seen = answering(mesh, 8).await;
        seen.sort();
        seen.dedup();
        (seen == names).then_some(())
    })
    .await;
}

fn address(upstream: &Upstream) -> Value {
    json!({ "host": upstream.address.ip().to_string(), "port": upstream.address.port() })
}

#[tokio::test]
async fn who_is_not_well_gets_no_requests_until_it_is() {
    let ((a, mood), (b, _)) = (moody("a").await, moody("b").await);
    let config = format!(
        "{QUICK}[services.web]\nchecks = [\"ready\"]\n\
         endpoints = [{{ id = \"a\", address = \"@a\" }}, {{ id = \"b\", address = \"@b\" }}]\n{ROUTE}"
    );
    let mesh = open_mesh(&config).at("a", &a).at("b", &b).start().await;
    until_only(&mesh, &["a", "b"]).await;
    mood.store(503, Ordering::SeqCst);
    until_only(&mesh, &["b"]).await;
    let told = ask(&mesh, "GET", "/v1/services/web/instances/a", None).await.json();
    let reason = told["health"]["reason"].as_str().unwrap();
    assert!(reason.contains("status 503"), "{told:#}");
    mood.store(200, Ordering::SeqCst);
    until_only(&mesh, &["a", "b"]).await;
}

#[tokio::test]
async fn when_too_few_are_well_all_get_requests_and_it_is_said() {
    let ((a, mood), (b, other)) = (moody("a").await, moody("b").await);
    let config = format!(
        "{QUICK}[services.web]\nchecks = [\"ready\"]\n\
         endpoints = [{{ address = \"@a\" }}, {{ address = \"@b\" }}]\n{ROUTE}"
    );
    let mesh = open_mesh(&config).at("a", &a).at("b", &b).start().await;
    mood.store(500, Ordering::SeqCst);
    other.store(500, Ordering::SeqCst);
    mesh.metric_reaches("proconsul_service_panicking{service=\"web\"}", 1.0).await;
    until_only(&mesh, &["a", "b"]).await;
    eventually("the status to say so", || async {
        (mesh.status().await["services"]["web"]["panicking"] == true).then_some(())
    })
    .await;
    mood.store(200, Ordering::SeqCst);
    until_only(&mesh, &["a"]).await;
    let messages = eventually("both events", || async {
        let page = ask(&mesh, "GET", "/v1/events?kind=panic&service=web", None).await.json();
        let items = page["items"].as_array().unwrap().clone();
        let said: Vec<_> =
            items.iter().map(|e| e["message"].as_str().unwrap().to_owned()).collect();
        (said.len() >= 2).then_some(said)
    })
    .await;
    let (begins, ends) = (messages.first().unwrap(), messages.last().unwrap());
    assert!(begins.contains("0 of 2") && begins.contains("less than 50 %"), "{messages:?}");
    assert!(ends.contains("1 of 2") && ends.contains("enough again"), "{messages:?}");
}

#[tokio::test]
async fn who_registered_and_died_fails_no_request_after_the_first_refusal() {
    let (up, doomed) = (Upstream::echo("up").await, Upstream::refusing());
    let mesh = open_mesh(&format!("[services.web]\n{ROUTE}")).start().await;
    register(&mesh, "up", address(&up)).await;
    register(&mesh, "doomed", address(&doomed)).await;
    eventually("the refusal", || async {
        assert_eq!(mesh.get("/").await.status, 200);
        let told = ask(&mesh, "GET", "/v1/services/web/instances/doomed", None).await.json();
        (told["health"]["status"] == "critical").then_some(())
    })
    .await;
    let refused = mesh.metric("proconsul_upstream_connect_failures_total{service=\"web\"}").await;
    for _ in 0..20 {
        assert_eq!(mesh.get("/").await.status, 200);
    }
    let after = mesh.metric("proconsul_upstream_connect_failures_total{service=\"web\"}").await;
    assert_eq!((refused, after), (1.0, 1.0), "nobody is sent there again");
}

#[tokio::test]
async fn what_sends_no_heart_beat_is_out_and_then_gone() {
    let up = Upstream::echo("up").await;
    let config = format!(
        "[registry]\nttl_grace = \"1s\"\nself_preservation_percent = 100\n[services.web]\n{ROUTE}"
    );
    let mesh = open_mesh(&config).start().await;
    let mut silent = address(&up);
    silent["ttl"] = "300ms".into();
    register(&mesh, "silent", silent).await;
    eventually("it to be out", || async {
        let told = ask(&mesh, "GET", "/v1/services/web/instances/silent", None).await;
        (told.status == 404 || told.json()["health"]["status"] == "critical").then_some(())
    })
    .await;
    eventually("it to be gone", || async {
        let told = ask(&mesh, "GET", "/v1/services/web/instances/silent", None).await;
        (told.status == 404).then_some(())
    })
    .await;
    until_only(&mesh, &["503"]).await; // routing follows what the registry knows
}

#[tokio::test]
async fn maintenance_takes_an_instance_out_and_back() {
    let ((a, _), (b, _)) = (moody("a").await, moody("b").await);
    let mesh = open_mesh(&format!("[services.web]\n{ROUTE}")).start().await;
    register(&mesh, "a", address(&a)).await;
    register(&mesh, "b", address(&b)).await;
    until_only(&mesh, &["a", "b"]).await;
    let duty = "/v1/services/web/instances/a/maintenance";
    assert!(ask(&mesh, "PUT", duty, Some(json!({ "reason": "new disk" }))).await.status < 300);
    until_only(&mesh, &["b"]).await;
    assert!(ask(&mesh, "DELETE", duty, None).await.status < 300);
    until_only(&mesh, &["a", "b"]).await;
}

#[tokio::test]
async fn a_service_takes_the_versions_and_tags_that_it_names_and_deprecation_is_told() {
    let ((old, _), (new, _), (other, _)) =
        (moody("old").await, moody("new").await, moody("x").await);
    let config = format!(
        "[services.web]\nregistered = {{ version = \">=1, <3\", tags = [\"blue\"] }}\n{ROUTE}"
    );
    let mesh = open_mesh(&config).start().await;
    for (id, upstream, version, tag) in [
        ("old", &old, "1.0.0", "blue"),
        ("new", &new, "2.0.0", "blue"),
        ("beyond", &other, "3.0.0", "blue"),
        ("red", &other, "2.0.0", "red"),
    ] {
        let mut record = address(upstream);
        record["version"] = version.into();
        record["tags"] = json!([tag]);
        register(&mesh, id, record).await;
    }
    until_only(&mesh, &["new", "old"]).await;
    let deprecation =
        json!({ "versions": "<2", "since": "2026-01-01T00:00:00Z", "reason": "use 2" });
    let path = "/v1/services/web/deprecations";
    let answer = ask(&mesh, "PUT", path, Some(deprecation)).await;
    assert!(answer.status < 300, "{}", answer.text());
    eventually("the old one to be told of, and it alone", || async {
        let mut told = Vec::new();
        for _ in 0..8 {
            let answer = mesh.get("/").await;
            told.push((answer.text(), answer.header("deprecation").is_some()));
        }
        told.iter().all(|(name, is_told)| *is_told == (name == "old")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_components_check_decides_and_is_replaced_by_saving() {
    let (up, _) = moody("up").await;
    let config = format!(
        "[checks.json]\ninterval = \"100ms\"\ninterval_down = \"100ms\"\nrise = 1\nfall = 1\n\
         plugin = \"http-json\"\nconfig = {{ path = \"/doc\", pointer = \"/ok\" }}\n\
         [health]\npanic_percent = 0\n\
         [services.web]\nchecks = [\"json\"]\nendpoints = [{{ address = \"@up\" }}]\n{ROUTE}"
    );
    let mesh = open_mesh(&config).at("up", &up).start().await;
    until_only(&mesh, &["503"]).await; // its document is no JSON
    mesh.edit_and_wait(
        "plugin = \"http-json\"\nconfig = { path = \"/doc\", pointer = \"/ok\" }",
        "http = { path = \"/doc\" }",
    )
    .await;
    until_only(&mesh, &["up"]).await;
}

#[tokio::test]
async fn who_registers_names_a_component_of_the_configuration_and_brings_none() {
    let (up, _) = moody("up").await;
    let config = format!(
        "[checks.json]\ninterval = \"100ms\"\ninterval_down = \"100ms\"\nrise = 1\nfall = 1\n\
         plugin = \"http-json\"\nconfig = {{ path = \"/doc\", pointer = \"/ok\" }}\n\
         [health]\npanic_percent = 0\n[services.web]\n{ROUTE}"
    );
    let mesh = open_mesh(&config).start().await;
    let mut record = address(&up);
    record["checks"] = json!([{ "name": "json" }]);
    register(&mesh, "named", record.clone()).await;
    until_only(&mesh, &["503"]).await; // its document is no JSON
    let told = ask(&mesh, "GET", "/v1/services/web/instances/named", None).await.json();
    assert_eq!(told["health"]["checks"]["json"]["status"], "critical", "{told:#}");

    let path = "/v1/services/web/instances/bringing";
    record["checks"] = json!([{ "name": "own", "plugin": "http-json" }]);
    let refused = ask(&mesh, "PUT", path, Some(record.clone())).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let error = refused.json()["errors"][0].clone();
    assert_eq!(error["pointer"], "/checks/0/plugin", "{error}");
    assert!(error["detail"].as_str().unwrap().contains("`[checks]`"), "{error}");
    record["checks"] = json!([{ "name": "nobodys" }]);
    let refused = ask(&mesh, "PUT", path, Some(record)).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
}

/// What a check finds while the process still starts is not lost.
#[tokio::test]
async fn the_first_word_of_a_check_counts_however_early_it_comes() {
    let (up, mood) = moody("up").await;
    mood.store(503, Ordering::SeqCst);
    let mut config =
        "[checks.ready]\ninterval = \"100ms\"\ninterval_changing = \"100ms\"\nrise = 1\n\
                      fall = 1\nhttp = { path = \"/ready\" }\n[health]\npanic_percent = 0\n"
            .to_owned();
    // Each of them looks first at a moment of its own in the interval.
    for name in 0..40 {
        config += &format!(
            "[services.s{name}]\nchecks = [\"ready\"]\nendpoints = [{{ address = \"@up\" }}]\n\
             [[routes]]\nservice = \"s{name}\"\npath = \"/{name}\"\n"
        );
    }
    let mesh = open_mesh(&config).at("up", &up).start().await;
    for name in 0..40 {
        let path = format!("/{name}");
        eventually(&format!("{path} to be refused"), || async {
            (mesh.get(&path).await.status == 503).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_registered_survives_an_upgrade() {
    let up = Upstream::echo("up").await;
    let config = format!("[services.web]\n{ROUTE}");
    let mut mesh = open_mesh(&config).server("pid_file = \"run/pid\"").start().await;
    register(&mesh, "kept", address(&up)).await;
    let mut old = mesh.upgrade().await;
    mesh.taken_over().await;
    let kept = ask(&mesh, "GET", "/v1/services/web/instances/kept", None).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    register(&mesh, "later", address(&up)).await;
    assert_eq!(mesh.get("/").await.status, 200);
    assert!(ended(&mut old).await.success());
}
