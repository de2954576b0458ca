//! Alert rules over a running proxy: what is wrong is told once, and that it is over too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use hyper::Response;
use serde_json::json;

use crate::admin_api::{ask, open_mesh};
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Load, Mesh, Upstream};

const FIRING: &str = "proconsul_alerts{state=\"firing\"}";

/// How often the log has a line with all these words.
fn told(mesh: &Mesh, words: &[&str]) -> usize {
    let log = mesh.log();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
}

#[tokio::test]
async fn errors_are_told_once_and_that_they_are_over_too() {
    let status = Arc::new(AtomicU16::new(200));
    let answers = status.clone();
    let upstream = Upstream::http(move |_| {
        let status = answers.load(Ordering::SeqCst);
        async move { Response::builder().status(status).body(body("")).unwrap() }
    })
    .await;
    // Three lines make a rule; the fourth is for the test's patience.
    let mesh = Mesh::with(
        r#"
        [alerts]
        evaluation_interval = "1s"
        [alerts.rules.error-rate]
        threshold = "20%"
        window = "5s"
        for = "0s"
        [services.web]
        endpoints = [{ address = "@up" }]
        health = { passive = false }
        [[routes]]
        service = "web"
        "#,
    )
    .at("up", &upstream)
    .start()
    .await;
    let load = Load::start(mesh.listener, 2, "");
    load.goes_on(50).await;
    status.store(500, Ordering::SeqCst);
    let line = mesh.logged(&["alert fires", "error-rate"]).await;
    for word in
        ["\"service\": \"web\"", "\"severity\": \"critical\"", "of the requests to web failed"]
    {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert_eq!(mesh.metric(FIRING).await, 1.0);
    status.store(200, Ordering::SeqCst);
    mesh.logged(&["alert is over", "error-rate"]).await;
    assert_eq!(mesh.metric(FIRING).await, 0.0);
    assert_eq!(told(&mesh, &["alert fires"]), 1);
    assert!(mesh.metric("proconsul_alert_evaluation_duration_seconds_count").await >= 2.0);
    drop(load);
}

#[tokio::test]
async fn rules_take_effect_at_a_reload_and_a_refused_one_is_itself_told() {
    let upstream = Upstream::echo("a").await;
    let mesh = Mesh::with(
        "alerts.evaluation_interval = \"1s\"\nalerts.ready_made = []\n\
         services.web.endpoints = [{ address = \"@up\" }]\nroutes = [{ service = \"web\" }]\n",
    )
    .at("up", &upstream)
    .start()
    .await;
    assert_eq!(mesh.metric("proconsul_alert_rules").await, 0.0);
    let report = mesh
        .reloaded_by(|| {
            mesh.edit("ready_made = []", "ready_made = [\"reload-refused\", \"dependency\"]")
        })
        .await;
    assert!(report["changes"].to_string().contains("alert rule reload-refused added"), "{report}");
    mesh.metric_reaches("proconsul_alert_rules", 2.0).await;
    let report = mesh.reloaded_by(|| mesh.edit("\"dependency\"", "\"dependancy\"")).await;
    assert!(report["reasons"].to_string().contains("did you mean `dependency`"), "{report}");
    let line = mesh.logged(&["alert fires", "reload-refused"]).await;
    assert!(line.contains("\"node\": "), "{line}");
    mesh.edit_and_wait("\"dependancy\"", "\"dependency\"").await;
    mesh.logged(&["alert is over", "reload-refused"]).await;
}

#[tokio::test]
async fn a_dependency_that_is_down_is_told_of_who_depends_on_it() {
    let nobody = Upstream::refusing();
    let mesh = open_mesh(
        r#"
        [alerts]
        evaluation_interval = "1s"
        [alerts.rules.dependency]
        for = "1s"
        [alerts.rules.no-instance]
        for = "1s"
        labels = { team = "core" }
        [checks.port]
        tcp = {}
        interval = "200ms"
        interval_changing = "100ms"
        fall = 1
        [services.web]
        checks = ["port"]
        endpoints = [{ address = "@nobody" }]
        "#,
    )
    .at("nobody", &nobody)
    .start()
    .await;
    let depends = json!({ "dependencies": ["web"] });
    let answer = ask(&mesh, "PUT", "/v1/services/shop", Some(depends)).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let said = "shop depends on web, of which only 0% is well";
    mesh.logged(&["alert fires", "rule=\"dependency\"", said]).await;
    // Neither has an instance that is well.
    for service in ["web", "shop"] {
        let label = format!("\"service\": \"{service}\"");
        mesh.logged(&["alert fires", "rule=\"no-instance\"", &label, "\"team\": \"core\""]).await;
    }
    eventually("three alerts", || async { (mesh.metric(FIRING).await == 3.0).then_some(()) }).await;
}
