//! Alerts as those take them who are told in earnest: Alertmanager itself, and mail servers, good and bad.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::Response;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::admin_api::{ask, open_mesh};
use super::alerting::{backup, post};
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Connection, Mesh, Upstream, command, free_address};

const GROUPS: &str = "[alerts]\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n";

fn spawn(command: &mut Command, log: &Path) -> Child {
    let log = fs::File::create(log).unwrap();
    command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
    let child = command.kill_on_drop(true).spawn();
    child.unwrap_or_else(|error| panic!("{command:?} (see `make test`): {error}"))
}

async fn listens(address: SocketAddr) {
    let connect = || async { TcpStream::connect(address).await.ok() };
    eventually(&format!("{address} to listen"), connect).await;
}

/// Debian's Alertmanager, which tells a webhook of everything.
async fn alertmanager(folder: &Path, hook: &Upstream) -> (SocketAddr, Child) {
    let address = free_address();
    let config = format!(
        "route: {{ receiver: people, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n\
         receivers: [{{ name: people, webhook_configs: [{{ url: 'http://{hook}/' }}] }}]\n"
    );
    let file = folder.join("alertmanager.yml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("prometheus-alertmanager");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=");
    let child = spawn(&mut command, &folder.join("alertmanager.log"));
    listens(address).await;
    (address, child)
}

/// A receiver of webhooks that keeps the bodies.
async fn bodies() -> (Upstream, Arc<Mutex<Vec<Value>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let inner = got.clone();
    let upstream = Upstream::http(move |request| {
        let got = inner.clone();
        async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            got.lock().push(serde_json::from_slice(&bytes).unwrap());
            Response::new(body(""))
        }
    })
    .await;
    (upstream, got)
}

/// The newest that says so.
async fn with_status(got: &Mutex<Vec<Value>>, status: &str) -> Value {
    eventually(status, || async {
        got.lock().iter().rev().find(|body| body["status"] == status).cloned()
    })
    .await
}

/// A body without what differs from sender to sender and from time to time.
fn lasting(mut body: Value) -> Value {
    for name in ["receiver", "externalURL", "groupKey"] {
        assert!(body[name].is_string(), "{name} of {body:#}");
        body[name] = json!("");
    }
    for alert in body["alerts"].as_array_mut().unwrap() {
        for name in ["startsAt", "endsAt"] {
            // Go's zero time: there is none.
            let moment = alert[name].as_str().unwrap();
            assert!(moment.ends_with('Z') && moment.contains('T'), "{moment}");
            alert[name] = json!(moment.starts_with("0001-01-01"));
        }
    }
    body
}

#[tokio::test]
async fn alertmanager_takes_the_alerts_and_sends_on_what_the_webhook_sends_itself() {
    let folder = tempfile::tempdir().unwrap();
    let ((theirs, from_theirs), (ours, from_ours)) = (bodies().await, bodies().await);
    let (address, _child) = alertmanager(folder.path(), &theirs).await;
    let config = format!(
        "{GROUPS}default_channels = [\"manager\", \"hook\"]\n[alerts.channels]\n\
         manager = {{ plugin = \"alertmanager\", config = {{ url = \"http://@am/\" }}, allow = [\"@am\"] }}\n\
         hook = {{ plugin = \"webhook\", config = {{ url = \"http://@ours/\" }}, allow = [\"@ours\"] }}\n"
    );
    let mesh = open_mesh(&config).at("am", address).at("ours", &ours).start().await;
    let more = json!({ "annotations": { "summary": "磁盘 \"full\"\nsince <noon>" } });
    post(&mesh, backup(more.clone())).await;
    let known = || async { Connection::open(address).await.get("/api/v2/alerts").await.json() };
    let listed =
        eventually("Alertmanager to list it", || async { known().await.get(0).cloned() }).await;
    assert_eq!(listed["labels"], backup(json!({}))["labels"], "{listed:#}");
    assert_eq!(listed["annotations"], more["annotations"]);
    assert_eq!(listed["status"]["state"], "active");
    let (mine, real) =
        (with_status(&from_ours, "firing").await, with_status(&from_theirs, "firing").await);
    assert_eq!(lasting(mine), lasting(real));

    let over = json!({ "annotations": more["annotations"], "endsAt": "2020-01-01T00:00:00Z" });
    post(&mesh, backup(over)).await;
    let (mine, real) =
        (with_status(&from_ours, "resolved").await, with_status(&from_theirs, "resolved").await);
    assert_eq!(lasting(mine), lasting(real));
    eventually("it to be gone", || async { (known().await == json!([])).then_some(()) }).await;
}

/// `[alerts]` with a channel for each relay, which is at `@name`.
fn mails(names: &[&str]) -> String {
    let mut config = format!("{GROUPS}default_channels = {names:?}\n[alerts.channels]\n");
    for name in names {
        config.push_str(&format!(
            "{name} = {{ plugin = \"email\", allow = [\"@{name}\"], timeout = \"2s\", config = {{ relay = \
             \"@{name}\", from = \"proxy@example.com\", to = [\"a@example.com\", \"b@example.com\"] }} }}\n"
        ));
    }
    config
}

/// What Python's own mail library reads in a file.
async fn read_mail(path: &Path) -> Value {
    const READ: &str = "import email, email.policy, json, sys\n\
        mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)\n\
        print(json.dumps(dict(mail.items()) | {'body': mail.get_content(), 'defects': len(mail.defects)}))";
    let mut python = Command::new("python3");
    let output = python.args(["-c", READ]).arg(path).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_mail_server_takes_the_mail_and_a_reader_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let (address, box_) = (free_address(), folder.path().join("mail"));
    let mut server = Command::new("/usr/bin/aiosmtpd");
    server.args(["-n", "-l", &address.to_string(), "-c", "aiosmtpd.handlers.Mailbox"]).arg(&box_);
    let _child = spawn(&mut server, &folder.path().join("aiosmtpd.log"));
    listens(address).await;
    let mesh = open_mesh(&mails(&["mail"])).at("mail", address).start().await;
    let name = "磁盘满了 🚨 ".repeat(12);
    let alert = json!({
        "labels": { "alertname": name.trim(), "severity": "critical" },
        "annotations": { "summary": "first\r\n.\r\nQUIT\r\n..two dots é" },
    });
    post(&mesh, alert).await;
    let file = eventually("the mail", || async {
        Some(fs::read_dir(box_.join("new")).ok()?.next()?.unwrap().path())
    })
    .await;
    let mail = read_mail(&file).await;
    assert_eq!(mail["Subject"], format!("[FIRING:1] {}", name.trim()), "{mail:#}");
    assert_eq!(mail["From"], "proxy@example.com");
    assert_eq!(mail["To"], "a@example.com, b@example.com");
    assert_eq!(mail["defects"], 0, "{mail:#}");
    let text = mail["body"].as_str().unwrap().replace("\r\n", "\n");
    assert!(text.contains("first\n.\nQUIT\n..two dots é"), "{text}");
    assert!(mail["Date"].is_string() && mail["Message-ID"].is_string(), "{mail:#}");
}

/// Stands for a line that nobody said: somebody connected.
const CONNECTED: &str = "(connected)";

/// A relay that answers each line as it is told; `None` = it says nothing and hangs.
async fn relay(answer: fn(&str) -> Option<&'static str>) -> (Upstream, Arc<Mutex<String>>) {
    let heard = Arc::new(Mutex::new(String::new()));
    let inner = heard.clone();
    let upstream = Upstream::raw(move |stream, _| {
        let heard = inner.clone();
        async move {
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            let mut said = Some(CONNECTED.to_owned());
            while let Some(line) = said {
                let Some(words) = answer(&line) else { return std::future::pending().await };
                if writer.write_all(words.as_bytes()).await.is_err() {
                    return;
                }
                said = lines.next_line().await.unwrap_or_default();
                heard.lock().extend(said.iter().flat_map(|line| [line.as_str(), "\n"]));
            }
        }
    })
    .await;
    (upstream, heard)
}

/// A good one.
fn polite(line: &str) -> Option<&'static str> {
    match line.split(' ').next().unwrap_or_default() {
        CONNECTED => Some("220 hello\r\n"),
        "EHLO" => Some("250-relay\r\n250 SIZE\r\n"),
        "MAIL" | "RCPT" => Some("250 ok\r\n"),
        "DATA" => Some("354 go on\r\n"),
        "." => Some("250 queued\r\n"),
        "QUIT" => Some("221 bye\r\n"),
        _ => Some(""),
    }
}

async fn channel_when(mesh: &Mesh, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} to be so"), || async {
        let listed = ask(mesh, "GET", "/v1/alerts/channels", None).await.json();
        let items = listed["items"].as_array().unwrap();
        items.iter().find(|item| item["name"] == name && is_so(item)).cloned()
    })
    .await
}

#[tokio::test]
async fn a_relay_may_say_what_it_likes() {
    let (busy, _) = relay(|line| (line == CONNECTED).then_some("451 later\r\n")).await;
    let (hangs, _) = relay(|_| None).await;
    let (garbage, _) = relay(|_| Some("\u{0}\u{7f}é HTTP/1.1 200 OK\r\n")).await;
    let (flood, _) = relay(|_| Some(const { "250-and more\r\n" }.repeat(4096).leak())).await;
    let (strict, _) = relay(|line| match line.starts_with("RCPT") {
        true => Some("550 nobody here\r\n"),
        false => polite(line),
    })
    .await;
    let (picky, heard) = relay(|line| match line {
        "RCPT TO:<a@example.com>" => Some("550 no a here\r\n"),
        _ => polite(line),
    })
    .await;
    let names = ["busy", "hangs", "garbage", "flood", "strict", "picky"];
    let mut builder = open_mesh(&mails(&names));
    for (name, relay) in names.iter().zip([&busy, &hangs, &garbage, &flood, &strict, &picky]) {
        builder = builder.at(name, relay);
    }
    let mesh = builder.start().await;
    post(&mesh, backup(json!({}))).await;
    for (name, words) in
        [("busy", "451 later"), ("hangs", "answer"), ("garbage", "HTTP/1.1"), ("flood", "")]
    {
        let channel = channel_when(&mesh, name, |channel| channel["failed"] != 0).await;
        let error = channel["last_error"].as_str().unwrap();
        assert!(error.contains(words), "{channel:#}");
        assert_eq!(
            (&channel["waiting"], &channel["dead_letters"]),
            (&json!(1), &json!([])),
            "{channel:#}"
        );
    }
    let dead = channel_when(&mesh, "strict", |it| it["dead_letters"] != json!([])).await;
    let reason = dead["dead_letters"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("550 nobody here"), "{reason}");
    channel_when(&mesh, "picky", |it| it["sent"] == 1).await;
    assert!(heard.lock().contains("RCPT TO:<b@example.com>\nDATA\n"), "{}", heard.lock());
    mesh.logged(&["the mail goes without a@example.com", "550 no a here"]).await;
}

#[tokio::test]
async fn who_asks_for_tls_to_a_relay_is_told_that_there_is_none() {
    let config = mails(&["mail"]).replace("from =", "starttls = true, from =");
    let mesh = open_mesh(&config).at("mail", "127.0.0.1:25");
    let output = command(&["check", mesh.write().to_str().unwrap()]).await;
    assert_ne!(output.code, 0, "{output:?}");
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("`starttls` is not to be had"), "{said}");
}
