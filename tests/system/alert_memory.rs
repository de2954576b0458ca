//! What is known of alerts outlives the process: nothing is told twice, nothing is forgotten.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::admin_api::{ask, open_mesh};
use super::alerting::{HOOK, Inbox, backup, channel, post, receiver};
use super::hostile_channels::holding;
use crate::mesh::proxy::ended;
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

/// An alert of a group of its own.
fn of_group(name: &str, more: Value) -> Value {
    let mut alert = backup(more);
    alert["labels"]["alertname"] = name.into();
    alert
}

const OVER: &str = "2020-01-01T00:00:00Z";

async fn waits(mesh: &Mesh, count: u64) {
    eventually("notifications to wait", || async {
        (channel(mesh).await["waiting"] == count).then_some(())
    })
    .await;
}

/// Ends the process as a loss of power would, and starts another.
async fn crash(mesh: &mut Mesh) {
    mesh.signal(Signal::KILL);
    assert!(!mesh.ended().await.success());
    mesh.start_again().await;
}

/// Sequences and statuses of what arrived, by group.
fn by_group(inbox: &Inbox) -> BTreeMap<String, Vec<(u64, String)>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for notification in inbox.got.lock().iter() {
        let text = |key: &str| notification[key].as_str().unwrap().to_owned();
        let sequence = notification["sequence"].as_u64().unwrap();
        groups.entry(text("groupKey")).or_default().push((sequence, text("status")));
    }
    groups
}

#[tokio::test]
async fn a_receiver_that_was_down_over_crashes_hears_of_all_once_and_in_order() {
    let (hook, inbox) = receiver().await;
    inbox.status.store(503, Ordering::SeqCst);
    let mut mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    for name in ["a", "b"] {
        post(&mesh, of_group(name, json!({}))).await;
    }
    waits(&mesh, 2).await;
    crash(&mut mesh).await;
    waits(&mesh, 2).await;
    post(&mesh, of_group("a", json!({ "endsAt": OVER }))).await;
    post(&mesh, of_group("c", json!({}))).await;
    waits(&mesh, 4).await;
    crash(&mut mesh).await;
    inbox.status.store(200, Ordering::SeqCst);
    inbox.at(3).await;
    waits(&mesh, 0).await;
    let arrived = by_group(&inbox);
    assert_eq!(arrived["{alertname=\"a\"}"][0].1, "firing");
    assert_eq!(arrived["{alertname=\"a\"}"][1].1, "resolved");
    let mut sequences: Vec<u64> = arrived.values().flatten().map(|told| told.0).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, [1, 2, 3, 4], "each once, and they go on where they were");
    // What is over is told of what fired before the crash, too.
    post(&mesh, of_group("b", json!({ "endsAt": OVER }))).await;
    let last = inbox.at(4).await;
    assert_eq!((&last["status"], &last["sequence"]), (&json!("resolved"), &json!(5)));
}

#[tokio::test]
async fn silences_and_history_survive_a_crash() {
    let (hook, inbox) = receiver().await;
    let mut mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    let silence = json!({ "matchers": ["host=~db-.*"], "comment": "moving house", "seconds": 600 });
    let made = ask(&mesh, "POST", "/v1/alerts/silences", Some(silence)).await;
    post(&mesh, of_group("a", json!({ "labels": { "alertname": "a", "host": "web-1" } }))).await;
    inbox.at(0).await;
    eventually("it to be in the history", || async {
        let history = ask(&mesh, "GET", "/v1/alerts/history?event=sent", None).await.json();
        (history["items"][0]["channel"] == "hook").then_some(())
    })
    .await;
    crash(&mut mesh).await;
    let silences = ask(&mesh, "GET", "/v1/alerts/silences", None).await.json();
    assert_eq!(silences["items"], json!([made.json()]));
    post(&mesh, backup(json!({}))).await;
    let listed = ask(&mesh, "GET", "/v1/alerts", None).await.json();
    let states: Vec<_> = listed["items"].as_array().unwrap().iter().map(|a| &a["state"]).collect();
    assert_eq!(states, ["firing", "suppressed"], "{listed:#}");
    let summary = &listed["items"][0]["annotations"]["summary"];
    assert_eq!(summary, "no backup since yesterday", "{listed:#}");

    let history = |query: &'static str| {
        let mesh = &mesh;
        async move {
            let page = ask(mesh, "GET", &format!("/v1/alerts/history?{query}"), None).await;
            assert_eq!(page.status, 200, "{}", page.text());
            let items = page.json()["items"].as_array().unwrap().clone();
            let short = |item: &Value| {
                format!("{} {}", item["event"].as_str().unwrap(), item["labels"]["alertname"])
            };
            items.iter().map(short).collect::<Vec<_>>()
        }
    };
    let all = ["firing \"backup\"", "sent \"a\"", "firing \"a\""];
    assert_eq!(history("").await, all);
    assert_eq!(history("limit=2").await, all[..2]);
    assert_eq!(history("before=2").await, all[2..]);
    assert_eq!(history("match=host%3D~web.*&match=alertname%21%3Dx").await, all[1..]);
    assert_eq!(history("event=firing&match=alertname%3Dbackup").await, all[..1]);
    assert_eq!(history("channel=hook").await, all[1..2]);
    assert_eq!(history("since=2090-01-01T00:00:00Z").await, all[..0]);
    let wrong = "/v1/alerts/history?event=x&match=y&channel=%20&since=z&limit=0";
    let refused = ask(&mesh, "GET", wrong, None).await;
    for key in ["event", "match", "channel", "since", "limit"] {
        assert!(refused.text().contains(&format!("\"{key}\"")), "{key}: {}", refused.text());
    }
}

#[tokio::test]
async fn a_rule_that_goes_on_firing_over_restarts_is_told_once() {
    let (hook, inbox) = receiver().await;
    let rule = "[alerts.rules.always]\nmetric = \"process_open_fds\"\n\
                op = \">\"\nthreshold = 0\n";
    let config = HOOK.replace("[alerts]\n", "[alerts]\nevaluation_interval = \"1s\"\n") + rule;
    let mut mesh = open_mesh(&config).at("hook", &hook).start().await;
    assert_eq!(inbox.at(0).await["status"], "firing");
    waits(&mesh, 0).await;
    let evaluations = "proconsul_alert_evaluation_duration_seconds_count";
    for restart in [crash_it, stop_it] {
        restart(&mut mesh).await;
        eventually("rules to be evaluated", || async {
            (mesh.metric(evaluations).await >= 3.0).then_some(())
        })
        .await;
        let listed = ask(&mesh, "GET", "/v1/alerts", None).await.json();
        assert_eq!(listed["items"][0]["state"], "firing", "{listed:#}");
    }
    let told = inbox.got.lock().clone();
    assert_eq!(told.len(), 1, "{told:#?}");
    // A rule that is gone while nobody looks has ended all the same.
    mesh.signal(Signal::TERM);
    assert!(mesh.ended().await.success());
    mesh.edit(rule, "");
    mesh.start_again().await;
    assert_eq!(inbox.at(1).await["status"], "resolved");
}

fn crash_it(mesh: &mut Mesh) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(crash(mesh))
}

fn stop_it(mesh: &mut Mesh) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
    Box::pin(async {
        mesh.signal(Signal::TERM);
        assert!(mesh.ended().await.success());
        mesh.start_again().await;
    })
}

#[tokio::test]
async fn an_upgrade_hands_over_what_waits_and_tells_nothing_twice() {
    let (hook, inbox) = receiver().await;
    let config = open_mesh(HOOK).at("hook", &hook).server("pid_file = \"run/pid\"");
    let mut mesh = config.start().await;
    post(&mesh, of_group("told", json!({}))).await;
    inbox.at(0).await;
    inbox.status.store(503, Ordering::SeqCst);
    post(&mesh, of_group("waits", json!({}))).await;
    waits(&mesh, 1).await;
    let mut old = mesh.upgrade().await;
    mesh.taken_over().await;
    assert!(ended(&mut old).await.success());
    waits(&mesh, 1).await;
    inbox.status.store(200, Ordering::SeqCst);
    assert_eq!(inbox.at(1).await["groupLabels"]["alertname"], "waits");
    post(&mesh, of_group("told", json!({ "endsAt": OVER }))).await;
    let last = inbox.at(2).await;
    assert_eq!((&last["status"], &last["sequence"]), (&json!("resolved"), &json!(3)));
}

#[tokio::test]
async fn what_is_on_its_way_at_the_end_arrives_and_is_not_told_again() {
    let (hook, leave) = holding().await;
    let mut mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    post(&mesh, of_group("a", json!({}))).await;
    eventually("it to be on its way", || async { (hook.requests() == 1).then_some(()) }).await;
    mesh.signal(Signal::TERM);
    eventually("the end to begin", || async {
        TcpStream::connect(mesh.listener).await.is_err().then_some(())
    })
    .await;
    leave.add_permits(9);
    assert!(mesh.ended().await.success());
    mesh.start_again().await;
    post(&mesh, of_group("b", json!({}))).await;
    waits(&mesh, 0).await;
    assert_eq!(hook.requests(), 2, "one of each");
}

#[tokio::test]
async fn no_minute_has_more_than_a_channel_allows() {
    let (hook, inbox): (Upstream, _) = receiver().await;
    let (free, told) = receiver().await;
    let config = HOOK.replace("[\"hook\"]", "[\"hook\", \"free\"]");
    let config = format!(
        "{config}max_per_minute = 2\n[alerts.channels.free]\nplugin = \"webhook\"\n\
         config = {{ url = \"http://@free/\" }}\nallow = [\"@free\"]\n"
    );
    let mesh = open_mesh(&config).at("hook", &hook).at("free", &free).start().await;
    for (place, name) in ["a", "b", "c", "d"].iter().enumerate() {
        post(&mesh, of_group(name, json!({}))).await;
        // What one channel may send, the other does not wait for.
        told.at(place).await;
    }
    inbox.at(1).await;
    let listed = ask(&mesh, "GET", "/v1/alerts/channels", None).await.json();
    let hook = listed["items"].as_array().unwrap().iter().find(|item| item["name"] == "hook");
    assert_eq!(hook.unwrap()["waiting"], 2, "{listed:#}");
    mesh.edit_and_wait("max_per_minute = 2", "max_per_minute = 3").await;
    inbox.at(2).await;
    assert_eq!(inbox.got.lock().len(), 3);
}
