//! The admin API over real sockets: what registers is reached, who subscribed is called, who is slow is cut off.

use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::Response;
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::mesh::proxy::ended;
use crate::mesh::upstream::body;
use crate::mesh::wait::{bounded, eventually};
use crate::mesh::{Answer, Builder, Connection, Mesh, Upstream};

const OPEN: &str = "[admin.auth]\nanonymous = \"admin\"\n";

pub(crate) fn open_mesh(config: &str) -> Builder {
    Mesh::with(&format!("{OPEN}{config}"))
}

/// Asks the API from this machine.
pub(crate) async fn ask(mesh: &Mesh, method: &str, path: &str, body: Option<Value>) -> Answer {
    let mut connection = Connection::open(mesh.admin).await;
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        mesh.admin,
        body.len()
    );
    connection.send(request).await;
    connection.answer().await
}

pub(crate) async fn register(mesh: &Mesh, id: &str, mut more: Value) {
    if more.get("host").is_none() {
        more["host"] = "10.0.0.1".into();
        more["port"] = 80.into();
    }
    let path = format!("/v1/services/web/instances/{id}");
    let answer = ask(mesh, "PUT", &path, Some(more)).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
}

#[tokio::test]
async fn what_registers_is_reached() {
    let up = Upstream::echo("up").await;
    let mesh = open_mesh("[services.web]\n[[routes]]\nservice = \"web\"\n").start().await;
    assert_eq!(mesh.get("/").await.status, 503);
    let (host, port) = (up.address.ip().to_string(), up.address.port());
    register(&mesh, "a", json!({ "host": host, "port": port })).await;
    eventually("a request to reach it", || async {
        (mesh.get("/").await.status == 200).then_some(())
    })
    .await;
    let gone = ask(&mesh, "DELETE", "/v1/services/web/instances/a", None).await;
    assert!([202, 204].contains(&gone.status), "{}", gone.text());
    eventually("no request to reach it", || async {
        (mesh.get("/").await.status == 503).then_some(())
    })
    .await;
}

/// A call of a webhook: its headers' values and its body.
type Call = (Vec<(String, String)>, Vec<u8>);

#[tokio::test]
async fn who_subscribed_is_called_until_he_takes_it() {
    let calls = Arc::new(Mutex::new(Vec::<Call>::new()));
    let noted = calls.clone();
    let hook = Upstream::http(move |request| {
        let noted = noted.clone();
        async move {
            let (parts, incoming) = request.into_parts();
            let bytes = incoming.collect().await.unwrap().to_bytes().to_vec();
            let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            let mut calls = noted.lock();
            calls.push((parts.headers.iter().map(header).collect(), bytes));
            let status = if calls.len() == 1 { 500 } else { 200 };
            Response::builder().status(status).body(body("")).unwrap()
        }
    })
    .await;
    let mesh = open_mesh("").admin_keys("").start().await;
    let url = format!("http://{}/hook", hook.address);
    let made =
        ask(&mesh, "POST", "/v1/subscriptions", Some(json!({ "service": "web", "url": url })));
    let made = made.await;
    // The mesh's admin listener is on a loopback address: callbacks may be, too.
    assert_eq!(made.status, 201, "{}", made.text());
    let subscription = made.json();
    let path = format!("/v1/subscriptions/{}", subscription["id"].as_str().unwrap());
    eventually("the first call to be taken", || async {
        let seen = ask(&mesh, "GET", &path, None).await.json();
        (seen["delivery"]["status"] == "delivered").then_some(())
    })
    .await;
    let seen = ask(&mesh, "GET", &path, None).await.json();
    assert!(seen["delivery"]["last_error"].as_str().unwrap().contains("500"), "{seen}");

    register(&mesh, "a", json!({})).await;
    let (headers, bytes) = eventually("a call with the instance", || async {
        let calls = calls.lock();
        let state = |call: &Call| serde_json::from_slice::<Value>(&call.1).unwrap();
        calls.iter().find(|call| state(call)["instances"][0]["id"] == "a").cloned()
    })
    .await;
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("{name} in {headers:?}")).1.clone()
    };
    let signature = header("x-proconsul-signature");
    let (time, tag) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let tag: Vec<u8> = (0..tag.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&tag[at..at + 2], 16).unwrap())
        .collect();
    let key =
        hmac::Key::new(hmac::HMAC_SHA256, subscription["secret"].as_str().unwrap().as_bytes());
    let signed = [time.as_bytes(), b".", bytes.as_slice()].concat();
    hmac::verify(&key, &signed, &tag).expect("the signature is good");
    assert_eq!(header("x-proconsul-subscription"), subscription["id"].as_str().unwrap());

    assert_eq!(ask(&mesh, "DELETE", &path, None).await.status, 204);
    assert_eq!(ask(&mesh, "GET", &path, None).await.status, 404);
    let indexes: Vec<u64> = calls
        .lock()
        .iter()
        .map(|(_, bytes)| {
            serde_json::from_slice::<Value>(bytes).unwrap()["index"].as_u64().unwrap()
        })
        .collect();
    assert!(indexes.is_sorted(), "{indexes:?}");
}

#[tokio::test]
async fn callbacks_go_on_after_an_upgrade_and_none_comes_twice() {
    let states = Arc::new(Mutex::new(Vec::<Value>::new()));
    let noted = states.clone();
    let hook = Upstream::http(move |request| {
        let noted = noted.clone();
        async move {
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            noted.lock().push(serde_json::from_slice(&bytes).unwrap());
            Response::new(body(""))
        }
    })
    .await;
    let mut mesh = open_mesh("").server("pid_file = \"run/pid\"").start().await;
    let url = format!("http://{}/hook", hook.address);
    let made = json!({ "service": "web", "url": url });
    assert_eq!(ask(&mesh, "POST", "/v1/subscriptions", Some(made)).await.status, 201);
    let told_of = |count: usize| {
        let states = states.clone();
        eventually("a call with so many instances", move || {
            let states = states.lock();
            let told = |state: &Value| state["instances"].as_array().unwrap().len() == count;
            let found = states.iter().any(told).then_some(());
            async move { found }
        })
    };
    register(&mesh, "a", json!({})).await;
    told_of(1).await;
    let mut old = mesh.upgrade().await;
    mesh.taken_over().await;
    register(&mesh, "b", json!({})).await;
    told_of(2).await;
    assert!(ended(&mut old).await.success());
    register(&mesh, "c", json!({})).await;
    told_of(3).await;
    let mut indexes: Vec<_> =
        states.lock().iter().map(|state| state["index"].as_u64().unwrap()).collect();
    indexes.sort_unstable();
    let count = indexes.len();
    indexes.dedup();
    assert_eq!(indexes.len(), count, "{:#?}", states.lock());
}

/// More than the system keeps for a connection whose peer does not read.
const STATES: usize = 40;

#[tokio::test]
async fn a_slow_watcher_is_cut_off_and_nobody_waits_for_it() {
    let mesh = open_mesh("").admin_keys("watcher_timeout = \"200ms\"").start().await;
    let metadata: serde_json::Map<String, Value> =
        (0..60).map(|number| (format!("k{number}"), "v".repeat(1000).into())).collect();
    for id in 0..8 {
        register(&mesh, &format!("i{id}"), json!({ "metadata": metadata })).await;
    }
    let watch = format!("GET /v1/services/web/watch HTTP/1.1\r\nHost: {}\r\n\r\n", mesh.admin);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(mesh.admin).await.unwrap();
    slow.write_all(watch.as_bytes()).await.unwrap();
    let mut quick = Connection::open(mesh.admin).await;
    quick.send(&watch).await;
    assert_eq!(quick.head().await.unwrap().status, 200);
    let mut last = 0;
    for weight in 0..STATES {
        register(&mesh, "i0", json!({ "metadata": metadata, "weight": weight })).await;
        // The quick one is told of each change at once.
        last = loop {
            let chunk = bounded("an event", quick.chunk()).await.unwrap().expect("it goes on");
            let text = String::from_utf8(chunk).unwrap();
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            let Some(data) = data else { continue };
            let state: Value = serde_json::from_str(data).unwrap();
            if state["instances"][0]["weight"] == weight {
                break state["index"].as_u64().unwrap();
            }
        };
    }
    assert!(last > 0);
    // Then its side of the connection is gone, with what was on its way.
    mesh.metric_reaches("proconsul_admin_connections_cut_total", 1.0).await;
    let mut rest = Vec::new();
    let read = bounded("the slow one's end", slow.read_to_end(&mut rest)).await;
    let told = String::from_utf8_lossy(&rest).matches("event: state").count();
    assert!(told < STATES, "it was told {told} states, {read:?}");
}

#[tokio::test]
async fn a_reload_changes_who_may_do_what() {
    let mesh = open_mesh("").start().await;
    register(&mesh, "a", json!({})).await;
    mesh.edit_and_wait("anonymous = \"admin\"", "anonymous = \"viewer\"").await;
    let path = "/v1/services/web/instances/a";
    assert_eq!(ask(&mesh, "GET", path, None).await.status, 200);
    assert_eq!(ask(&mesh, "DELETE", path, None).await.status, 403);
    mesh.edit_and_wait("anonymous = \"viewer\"\n", "").await;
    assert_eq!(ask(&mesh, "GET", path, None).await.status, 401);
    assert_eq!(mesh.admin("GET", "/metrics").await.status, 200);
}
