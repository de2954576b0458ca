//! From an alert to whoever is told: by a component, to a real receiver.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use http_body_util::BodyExt;
use hyper::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::admin_api::{ask, open_mesh};
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

/// A channel to `@hook`, and groups that are told at once.
pub(crate) const HOOK: &str = "[alerts]\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n\
                    default_channels = [\"hook\"]\n\
                    [alerts.channels.hook]\nplugin = \"webhook\"\n\
                    config = { url = \"http://@hook/alerts\" }\nallow = [\"@hook\"]\n";

/// What a receiver got, with the header's sequence beside the rest, and the status that it answers with.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) got: Mutex<Vec<Value>>,
    pub(crate) status: AtomicU16,
}

pub(crate) async fn receiver() -> (Upstream, Arc<Inbox>) {
    let inbox = Arc::new(Inbox { status: AtomicU16::new(200), ..Inbox::default() });
    let inner = inbox.clone();
    let upstream = Upstream::http(move |request| {
        let inbox = inner.clone();
        async move {
            let sequence = request.headers()["x-proconsul-sequence"].to_str().unwrap();
            let sequence: u64 = sequence.parse().unwrap();
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            let status = inbox.status.load(Ordering::SeqCst);
            if status == 200 {
                let mut notification: Value = serde_json::from_slice(&bytes).unwrap();
                notification["sequence"] = sequence.into();
                inbox.got.lock().push(notification);
            }
            Response::builder().status(status).body(body("")).unwrap()
        }
    })
    .await;
    (upstream, inbox)
}

impl Inbox {
    /// The notification at `place`, once it is there.
    pub(crate) async fn at(&self, place: usize) -> Value {
        eventually(&format!("notification {place}"), || async {
            self.got.lock().get(place).cloned()
        })
        .await
    }
}

pub(crate) async fn post(mesh: &Mesh, alert: Value) {
    let answer = ask(mesh, "POST", "/v1/alerts", Some(json!([alert]))).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
}

pub(crate) fn backup(more: Value) -> Value {
    let mut alert = json!({
        "labels": { "alertname": "backup", "severity": "critical", "host": "db-1" },
        "annotations": { "summary": "no backup since yesterday" },
    });
    alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    alert
}

pub(crate) async fn channel(mesh: &Mesh) -> Value {
    ask(mesh, "GET", "/v1/alerts/channels", None).await.json()["items"][0].clone()
}

#[tokio::test]
async fn an_alert_is_told_once_and_so_is_its_end() {
    let (hook, inbox) = receiver().await;
    let mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    post(&mesh, backup(json!({}))).await;
    let first = inbox.at(0).await;
    assert_eq!((&first["status"], &first["version"]), (&json!("firing"), &json!("4")));
    assert_eq!(first["groupLabels"], json!({ "alertname": "backup" }));
    assert_eq!(first["commonAnnotations"]["summary"], "no backup since yesterday");
    post(&mesh, backup(json!({}))).await; // it goes on
    let listed = ask(&mesh, "GET", "/v1/alerts", None).await.json();
    assert_eq!(
        (&listed["items"][0]["state"], &listed["items"][1]),
        (&json!("firing"), &Value::Null)
    );
    post(&mesh, backup(json!({ "endsAt": "2020-01-01T00:00:00Z" }))).await;
    let second = inbox.at(1).await;
    assert_eq!(second["status"], "resolved", "{second:#}");
    assert_eq!(second["groupKey"], first["groupKey"]);
    eventually("both to count as sent", || async {
        (channel(&mesh).await["sent"] == 2).then_some(())
    })
    .await;
    eventually("the alert to be gone", || async {
        let listed = ask(&mesh, "GET", "/v1/alerts", None).await.json();
        (listed["items"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_was_down_hears_of_it_all_in_order() {
    let (hook, inbox) = receiver().await;
    inbox.status.store(503, Ordering::SeqCst);
    let mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    post(&mesh, backup(json!({}))).await;
    eventually("a try", || async { (channel(&mesh).await["failed"] != 0).then_some(()) }).await;
    assert!(channel(&mesh).await["last_error"].as_str().unwrap().contains("503"));
    post(&mesh, backup(json!({ "endsAt": "2020-01-01T00:00:00Z" }))).await;
    eventually("both to wait", || async { (channel(&mesh).await["waiting"] == 2).then_some(()) })
        .await;
    inbox.status.store(200, Ordering::SeqCst);
    let statuses = [inbox.at(0).await["status"].clone(), inbox.at(1).await["status"].clone()];
    assert_eq!(statuses, ["firing", "resolved"]);
}

#[tokio::test]
async fn what_a_receiver_refuses_for_good_is_kept_and_can_be_sent_again() {
    let (hook, inbox) = receiver().await;
    inbox.status.store(404, Ordering::SeqCst);
    let mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    post(&mesh, backup(json!({}))).await;
    let dead = eventually("a dead letter", || async {
        channel(&mesh).await["dead_letters"].get(0).cloned()
    })
    .await;
    assert!(dead["reason"].as_str().unwrap().contains("404"), "{dead:#}");
    inbox.status.store(200, Ordering::SeqCst);
    let path = format!("/v1/alerts/channels/hook/dead-letters/{}", dead["sequence"]);
    assert_eq!(ask(&mesh, "POST", &format!("{path}/resend"), None).await.status, 202);
    assert_eq!(inbox.at(0).await["status"], "firing");
    assert_eq!(
        ask(&mesh, "DELETE", &path, None).await.status,
        404,
        "it is no dead letter any more"
    );
}

#[tokio::test]
async fn a_silence_is_obeyed_until_it_is_ended() {
    let (hook, inbox) = receiver().await;
    let mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    let silence = json!({ "matchers": ["host=~db-.*"], "comment": "moving house", "seconds": 600 });
    let made = ask(&mesh, "POST", "/v1/alerts/silences", Some(silence)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    post(&mesh, backup(json!({}))).await;
    let listed = ask(&mesh, "GET", "/v1/alerts", None).await.json();
    let shown = &listed["items"][0];
    assert_eq!(
        (&shown["state"], &shown["suppressed_by"]),
        (&json!("suppressed"), &json!(format!("silence {id}")))
    );
    // A test goes past silences and queues.
    let tried = ask(&mesh, "POST", "/v1/alerts/channels/hook/test", None).await.json();
    assert_eq!(tried["delivered"], true, "{tried:#}");
    assert_eq!(inbox.at(0).await["groupLabels"]["alertname"], "proconsul-test");
    let path = format!("/v1/alerts/silences/{id}");
    assert_eq!(ask(&mesh, "DELETE", &path, None).await.status, 204);
    assert_eq!(inbox.at(1).await["groupLabels"]["alertname"], "backup");
}

#[tokio::test]
async fn another_channel_holds_from_the_next_notification_on() {
    let ((old, old_inbox), (new, new_inbox)) = (receiver().await, receiver().await);
    let mesh = open_mesh(HOOK).at("hook", &old).start().await;
    post(&mesh, backup(json!({}))).await;
    old_inbox.at(0).await;
    let (from, to) = (old.address.to_string(), new.address.to_string());
    mesh.edit_and_wait(&from, &to).await;
    post(&mesh, backup(json!({ "endsAt": "2020-01-01T00:00:00Z" }))).await;
    assert_eq!(new_inbox.at(0).await["status"], "resolved");
    assert_eq!(old_inbox.got.lock().len(), 1);

    let named = |text: &str, name: &str| text.contains(&format!("channel=\"{name}\""));
    assert!(named(&mesh.admin("GET", "/metrics").await.text(), "hook"));
    let both = |name: &str| format!("[\"{name}\"]\n[alerts.channels.{name}]");
    mesh.edit_and_wait(&both("hook"), &both("other")).await;
    eventually("the channel's series to go with it", || async {
        let text = mesh.admin("GET", "/metrics").await.text();
        (named(&text, "other") && !named(&text, "hook")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_mistake_of_an_alert_is_named() {
    let mesh = open_mesh("").start().await;
    let alerts =
        json!([{ "labels": {}, "startsAt": "yesterday" }, { "labels": { "alertname": "x" } }]);
    let answer = ask(&mesh, "POST", "/v1/alerts", Some(alerts)).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    for place in ["/0/labels", "/0/startsAt"] {
        assert!(answer.text().contains(place), "{}", answer.text());
    }
    let long: serde_json::Map<String, Value> =
        (0..20).map(|i| (format!("a{i}"), "x".repeat(4096).into())).collect();
    let alerts = json!([
        { "labels": { "alertname": "x" }, "annotations": long },
        { "labels": { "alertname": "x" }, "annotations": { "summary": "x".repeat(4097) } },
        { "labels": { "alertname": "x" }, "generatorURL": "x".repeat(4097) },
    ]);
    let answer = ask(&mesh, "POST", "/v1/alerts", Some(alerts)).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    for place in ["\"/0\"", "/1/annotations/summary", "/2/generatorURL"] {
        assert!(answer.text().contains(place), "{}", answer.text());
    }
    let silence = json!({ "matchers": ["nonsense"], "comment": "", "seconds": 0 });
    let answer = ask(&mesh, "POST", "/v1/alerts/silences", Some(silence)).await;
    assert_eq!(answer.status, 422);
    for place in ["/matchers/0", "/comment", "/ends_at"] {
        assert!(answer.text().contains(place), "{}", answer.text());
    }
}
