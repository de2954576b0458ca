//! Alert channels that misbehave, and channels that change while something is on its way: nobody else is
//! harmed, nothing is told twice, and it can be seen.

use std::sync::Arc;

use hyper::Response;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::admin_api::{ask, open_mesh};
use super::alerting::{HOOK, backup, channel, post, receiver};
use crate::mesh::channel::hostile;
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Load, Mesh, Upstream};

const GROUPS: &str = "[alerts]\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n";

/// What each does, what its last error says, and what is counted.
const HOSTILE: [(&str, &str, &str, &str); 4] = [
    ("trap", "unreachable", "unreachable", "trap"),
    ("loop", "(call $forever)", "computed for", "busy"),
    ("bomb", "(call $bomb) unreachable", "unreachable", "trap"),
    ("nonsense", "(i32.store (i32.const 1024) (i32.const 77))", "discriminant", "trap"),
];

async fn channel_named(mesh: &Mesh, name: &str) -> Value {
    let listed = ask(mesh, "GET", "/v1/alerts/channels", None).await.json();
    let items = listed["items"].as_array().unwrap();
    items.iter().find(|item| item["name"] == name).unwrap().clone()
}

#[tokio::test]
async fn a_channel_that_misbehaves_harms_no_other_and_no_request() {
    let (hook, inbox) = receiver().await;
    let silent = Upstream::raw(|stream, _| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let names: Vec<_> = HOSTILE.iter().map(|(name, ..)| *name).collect();
    let mut config = format!(
        "{GROUPS}default_channels = {:?}\n\
         [alerts.channels]\n\
         good = {{ plugin = \"webhook\", config = {{ url = \"http://@hook/\" }}, allow = [\"@hook\"] }}\n\
         denied = {{ plugin = \"webhook\", config = {{ url = \"http://@hook/\" }} }}\n\
         hang = {{ plugin = \"webhook\", config = {{ url = \"http://@silent/\" }}, \
                   allow = [\"@silent\"], timeout = \"200ms\" }}\n",
        [&["good", "denied", "hang"], &names[..]].concat()
    );
    for name in &names {
        config.push_str(&format!("{name} = {{ plugin = \"{name}.wasm\" }}\n"));
    }
    config.push_str(
        "[services.web]\nendpoints = [{ address = \"@up\" }]\n[[routes]]\nservice = \"web\"\n",
    );
    let up = Upstream::echo("up").await;
    let mut builder = open_mesh(&config).at("hook", &hook).at("silent", &silent).at("up", &up);
    for (name, evil, ..) in HOSTILE {
        builder = builder.file(&format!("{name}.wasm"), hostile(evil));
    }
    let mesh = builder.start().await;
    let load = Load::start(mesh.listener, 2, "");
    post(&mesh, backup(json!({}))).await;
    assert_eq!(inbox.at(0).await["status"], "firing");
    let failures = [("denied", "the proxy does not allow it", ""), ("hang", "answer", "")];
    let failures =
        failures.into_iter().chain(HOSTILE.map(|(name, _, words, fault)| (name, words, fault)));
    for (name, words, fault) in failures {
        let error = eventually(&format!("{name} to fail"), || async {
            channel_named(&mesh, name).await["last_error"].as_str().map(str::to_owned)
        })
        .await;
        assert!(error.contains(words), "{name}: {error}");
        if !fault.is_empty() {
            let labels = format!("channel=\"{name}\",reason=\"{fault}\"");
            mesh.metric_reaches(&format!("proconsul_plugin_channel_faults_total{{{labels}}}"), 1.0)
                .await;
        }
    }
    let refused = mesh.logged(&["not listed in `allow`", "denied", &hook.to_string()]).await;
    assert!(!refused.contains("instance under check"), "{refused}");
    post(&mesh, backup(json!({ "endsAt": "2020-01-01T00:00:00Z" }))).await;
    assert_eq!(inbox.at(1).await["status"], "resolved", "the good one goes on");
    assert_eq!(inbox.got.lock().len(), 2);
    load.goes_on(10).await;
    load.stop_without_a_failure().await;
}

/// A receiver that answers as often as it is allowed to, and counts.
pub(crate) async fn holding() -> (Upstream, Arc<Semaphore>) {
    let leave = Arc::new(Semaphore::new(0));
    let given = leave.clone();
    let upstream = Upstream::http(move |_| {
        let leave = given.clone();
        async move {
            leave.acquire().await.unwrap().forget();
            Response::new(body(""))
        }
    })
    .await;
    (upstream, leave)
}

fn webhook() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/dist/webhook.wasm");
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn what_is_on_its_way_across_a_reload_is_told_once() {
    let (hook, leave) = holding().await;
    let own = HOOK.replace("\"webhook\"", "\"own.wasm\"");
    let mesh = open_mesh(&own).at("hook", &hook).file("own.wasm", webhook()).start().await;
    post(&mesh, backup(json!({}))).await;
    eventually("it to be on its way", || async { (hook.requests() == 1).then_some(()) }).await;
    // Another configuration, then another component: a custom section makes other bytes of it.
    mesh.edit_and_wait("/alerts\"", "/alerts?again\"").await;
    let other = [webhook(), vec![0, 2, 1, b'x']].concat();
    let report = mesh.reloaded_by(|| mesh.replace("own.wasm", other)).await;
    assert_eq!(report["result"], "applied", "{report:#}");
    assert_eq!(channel(&mesh).await["sent"], 0);
    leave.add_permits(1);
    eventually("it to count", || async { (channel(&mesh).await["sent"] == 1).then_some(()) }).await;
    leave.add_permits(1);
    post(&mesh, backup(json!({ "endsAt": "2020-01-01T00:00:00Z" }))).await;
    eventually("the end to count", || async { (channel(&mesh).await["sent"] == 2).then_some(()) })
        .await;
    let channel = channel(&mesh).await;
    assert_eq!((hook.requests(), &channel["failed"]), (2, &json!(0)), "{channel:#}");
}

#[tokio::test]
async fn what_waits_for_a_channel_that_is_removed_is_a_dead_letter() {
    let (hook, leave) = holding().await;
    let people = HOOK.replace("\"hook\"", "\"people\"").replace(".hook]", ".people]");
    let mesh = open_mesh(&people).at("hook", &hook).start().await;
    post(&mesh, backup(json!({}))).await;
    eventually("it to be on its way", || async { (hook.requests() == 1).then_some(()) }).await;
    post(&mesh, backup(json!({ "endsAt": "2020-01-01T00:00:00Z" }))).await;
    eventually("its end to wait", || async {
        (channel_named(&mesh, "people").await["waiting"] == 2).then_some(())
    })
    .await;
    mesh.edit_and_wait("people", "others").await;
    leave.add_permits(1);
    let gone = eventually("a dead letter", || async {
        let gone = channel_named(&mesh, "people").await;
        (gone["dead_letters"] != json!([])).then_some(gone)
    })
    .await;
    let reason = gone["dead_letters"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("no such channel any more"), "{reason}");
    assert_eq!((&gone["sent"], &gone["waiting"]), (&json!(1), &json!(0)), "{gone:#}");
    mesh.logged(&["a notification was given up", "people"]).await;
}
