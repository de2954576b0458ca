//! The command line's twins of the admin API.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::admin_api::open_mesh;
use super::alerting::{HOOK, receiver};
use crate::mesh::command::{Output, command};
use crate::mesh::{Mesh, eventually, free_address};

async fn run(mesh: &Mesh, arguments: &[&str]) -> Output {
    let admin = format!("http://{}", mesh.admin);
    command(&[arguments, &["--admin", &admin]].concat()).await
}

async fn done(mesh: &Mesh, arguments: &[&str]) -> String {
    let output = run(mesh, arguments).await;
    assert_eq!(output.code, 0, "{arguments:?}: {output:?}");
    output.stdout
}

#[tokio::test]
async fn what_the_api_does_the_command_line_does() {
    let mesh = Mesh::with("[admin.auth]\nanonymous = \"admin\"\n").start().await;
    let register = ["instance", "register", "web", "a", "--host", "10.0.0.1", "--port", "80"];
    let more = ["--version", "1.2.0", "--tag", "x", "--metadata", "k=v", "--ttl", "30s"];
    done(&mesh, &[&register[..], &more[..]].concat()).await;
    let table = done(&mesh, &["instance", "list", "web", "--tag", "x"]).await;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].contains("HEALTH") && lines[1].contains("passing"), "{table}");
    assert!(!table.contains('\u{1b}'), "colours are for terminals");
    let json = done(&mesh, &["instance", "list", "web", "--json"]).await;
    let page: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(page["items"][0]["metadata"]["k"], "v");

    done(&mesh, &["instance", "heartbeat", "web", "a"]).await;
    done(&mesh, &["instance", "maintenance", "web", "a", "--reason", "disk"]).await;
    assert!(done(&mesh, &["health"]).await.contains("critical"));
    assert!(done(&mesh, &["health", "web"]).await.contains("none of 1 instances"));
    done(&mesh, &["instance", "maintenance", "web", "a", "--off"]).await;
    assert!(done(&mesh, &["service", "pick", "web"]).await.contains("10.0.0.1"));
    done(&mesh, &["service", "deprecate", "web", "<2", "--reason", "slow"]).await;
    assert!(done(&mesh, &["service", "versions", "web"]).await.contains("slow"));
    assert!(done(&mesh, &["service", "list"]).await.contains("web"));
    assert!(done(&mesh, &["events", "--kind", "maintenance"]).await.contains("disk"));
    assert!(done(&mesh, &["audit"]).await.contains("instance.maintenance"));
    done(&mesh, &["group", "list"]).await;
    done(&mesh, &["instance", "deregister", "web", "a"]).await;
}

#[tokio::test]
async fn what_was_given_up_is_sent_again_or_forgotten_and_all_of_it_looked_back_at() {
    let (hook, inbox) = receiver().await;
    inbox.status.store(404, Ordering::SeqCst);
    let mesh = open_mesh(HOOK).at("hook", &hook).start().await;
    for name in ["first", "second"] {
        done(&mesh, &["alert", "send", &format!("alertname={name}"), "severity=info"]).await;
    }
    let letters = eventually("both to be given up", || async {
        let json = done(&mesh, &["alert", "dead-letters", "--json"]).await;
        let letters: Value = serde_json::from_str(&json).unwrap();
        letters["items"].as_array().filter(|items| items.len() == 2).cloned()
    })
    .await;
    let [first, second] = [0, 1].map(|place: usize| letters[place]["sequence"].to_string());
    inbox.status.store(200, Ordering::SeqCst);
    done(&mesh, &["alert", "resend", "hook", &first]).await;
    assert_eq!(inbox.at(0).await["groupLabels"]["alertname"], "first");
    done(&mesh, &["alert", "forget", "hook", &second]).await;
    assert!(!done(&mesh, &["alert", "dead-letters"]).await.contains("hook"));
    let gone = run(&mesh, &["alert", "forget", "hook", &second]).await;
    assert!(gone.code == 1 && gone.stderr.contains("no dead letter"), "{gone:?}");

    eventually("both to be in the audit log", || async {
        let audit = done(&mesh, &["audit"]).await;
        ["dead-letter.resend", "dead-letter.forget"]
            .iter()
            .all(|action| audit.contains(action))
            .then_some(())
    })
    .await;
    for what in [&["audit"][..], &["alert", "history"]] {
        let page = async |more: &[&str]| -> Value {
            let json = done(&mesh, &[what, &["--json", "--limit", "1"], more].concat()).await;
            serde_json::from_str(&json).unwrap()
        };
        let newest = page(&[]).await;
        let before = page(&["--before", &newest["next"].to_string()]).await;
        let place = |page: &Value| {
            let item = &page["items"][0];
            item["index"].as_u64().or(item["position"].as_u64()).unwrap()
        };
        assert!(place(&before) < place(&newest), "{what:?}: {before:#} {newest:#}");
        let later = page(&["--since", "2200-01-01T00:00:00Z"]).await;
        assert_eq!(later, json!({ "items": [] }), "{what:?}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said_with_what_to_do() {
    let mesh = Mesh::with("").start().await;
    let refused = run(&mesh, &["service", "list"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.contains("PROCONSUL_TOKEN"), "{}", refused.stderr);

    let nobody = format!("http://{}", free_address());
    let unreachable = command(&["service", "list", "--admin", &nobody]).await;
    assert_eq!(unreachable.code, 1);
    assert!(unreachable.stderr.contains("is it running?"), "{}", unreachable.stderr);

    let nonsense = command(&["instance", "list"]).await;
    assert_eq!(nonsense.code, 2);
}

#[tokio::test]
async fn a_new_token_is_what_its_table_says() {
    let made = command(&["token", "new", "ci", "--role", "registrar", "--service", "web-*"]).await;
    assert_eq!(made.code, 0);
    let token = made.stdout.trim();
    let table = made.stderr.split_once("\n\n").unwrap().1;
    let digest: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(table.contains(&digest), "{table}");

    let mesh = Mesh::with(table).start().await;
    let register = |service: &'static str| {
        let words = ["instance", "register", service, "a", "--host", "h", "--port", "1", "--token"];
        let (mesh, token) = (&mesh, token);
        async move { run(mesh, &[&words[..], &[token]].concat()).await }
    };
    assert_eq!(register("web-1").await.code, 0);
    let refused = register("other").await;
    assert!(refused.stderr.contains("`registrar` with a token that names"), "{}", refused.stderr);
}
