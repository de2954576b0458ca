//! Starting, stopping, and handing over to the next process.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::Response;
use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::mesh::proxy::ended;
use crate::mesh::upstream::body;
use crate::mesh::wait::eventually;
use crate::mesh::{Connection, Load, Mesh, Upstream, free_address};

/// An upstream that answers when it is told to.
async fn held() -> (Upstream, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let up = Upstream::http(move |_| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            Response::new(body("at last"))
        }
    })
    .await;
    (up, gate)
}

/// A request that waits for its upstream.
async fn waiting(mesh: &Mesh, up: &Upstream) -> Connection {
    let before = up.requests();
    let mut connection = mesh.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    eventually("the request to arrive", || async { (up.requests() > before).then_some(()) }).await;
    connection
}

#[tokio::test]
async fn sigterm_lets_requests_finish() {
    let (up, gate) = held().await;
    let mut mesh = Mesh::to(&up).server("drain_timeout = \"20s\"").start().await;
    let mut slow = waiting(&mesh, &up).await;
    mesh.signal(Signal::TERM);
    mesh.logged(&["draining"]).await;
    eventually("the listener to close", || async {
        TcpStream::connect(mesh.listener).await.is_err().then_some(())
    })
    .await;
    gate.add_permits(1);
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "at last".to_owned()));
    let finished = Instant::now();
    assert!(mesh.ended().await.success());
    assert!(finished.elapsed() < Duration::from_secs(5), "{:?}", finished.elapsed());
    mesh.logged(&["stopped"]).await;
    assert!(!mesh.log().contains("ERROR"), "{}", mesh.log());
}

#[tokio::test]
async fn sigterm_waits_for_nobody_who_is_silent() {
    let up = Upstream::echo("up").await;
    let mut mesh = Mesh::to(&up).start().await;
    let mut idle = mesh.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    let begun = Instant::now();
    mesh.signal(Signal::TERM);
    assert!(mesh.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(idle.is_closed().await);
}

#[tokio::test]
async fn a_drain_has_an_end() {
    let (up, _gate) = held().await;
    let mut mesh = Mesh::to(&up).server("drain_timeout = \"1s\"").start().await;
    let mut slow = waiting(&mesh, &up).await;
    mesh.signal(Signal::TERM);
    assert!(mesh.ended().await.success());
    assert!(slow.try_answer().await.is_err());
    mesh.logged(&["drain time is over", "cut_off=1"]).await;
}

#[tokio::test]
async fn sigint_stops_at_once() {
    let (up, _gate) = held().await;
    let mut mesh = Mesh::to(&up).start().await;
    let _slow = waiting(&mesh, &up).await;
    let begun = Instant::now();
    mesh.signal(Signal::INT);
    assert!(mesh.ended().await.success());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_upgrade_loses_no_request() {
    let up = Upstream::echo("up").await;
    let (held_up, gate) = held().await;
    let mut mesh = Mesh::with(
        r#"
        services.web.endpoints = [{ address = "@up" }]
        services.slow.endpoints = [{ address = "@slow" }]
        routes = [{ service = "web" }, { service = "slow", path = "/slow" }]
        "#,
    )
    .at("up", &up)
    .at("slow", &held_up)
    .server("pid_file = \"pid\"\ndrain_timeout = \"20s\"")
    .start()
    .await;
    let pid = || fs::read_to_string(mesh.path("pid")).unwrap().trim().to_owned();
    assert_eq!(pid(), mesh.pid().to_string());
    let load = Load::start(mesh.listener, 4, "");
    load.goes_on(50).await;
    let mut slow = mesh.connect().await;
    slow.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n").await;
    eventually("the slow request", || async { (held_up.requests() == 1).then_some(()) }).await;

    let mut old = mesh.upgrade().await;
    mesh.taken_over().await;
    load.goes_on(50).await;
    gate.add_permits(1);
    assert_eq!(slow.answer().await.text(), "at last");
    assert!(ended(&mut old).await.success());
    load.goes_on(50).await;
    load.stop_without_a_failure().await;
    let pid = fs::read_to_string(mesh.path("pid")).unwrap();
    assert_eq!(pid.trim(), mesh.pid().to_string());

    // The new process is in charge: it reloads, and it can be upgraded in turn.
    mesh.edit_and_wait("path = \"/slow\"", "path = \"/slower\"").await;
    let mut second = mesh.upgrade().await;
    assert!(ended(&mut second).await.success());
    assert_eq!(mesh.get("/").await.status, 200);
}

#[tokio::test]
async fn a_name_stands_for_its_addresses() {
    let up = Upstream::echo_at("up", SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    let mesh = Mesh::with(&format!(
        "services.web.endpoints = [{{ address = \"localhost:{}\" }}, {{ address = \"nowhere.invalid:1\" }}]\n\
         routes = [{{ service = \"web\" }}]",
        up.address.port()
    ))
    .start()
    .await;
    assert_eq!(mesh.get("/").await.header("x-upstream").as_deref(), Some("up"));
    let service = mesh.status().await["services"]["web"].clone();
    let (endpoints, names) = (&service["endpoints"], &service["names"]);
    let [known, unknown] = [&names["localhost"], &names["nowhere.invalid"]];
    assert!(known["addresses"].as_u64() >= Some(1) && known["age_seconds"].is_u64(), "{names:#}");
    assert_eq!(known["last_error"], serde_json::Value::Null);
    assert_eq!((&unknown["addresses"], &unknown["age_seconds"]), (&0.into(), &().into()));
    assert!(unknown["last_error"].is_string(), "{names:#}");
    let addresses: Vec<_> = endpoints
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["address"].as_str().unwrap().to_owned())
        .collect();
    assert!(addresses.contains(&up.address.to_string()), "{addresses:?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    let (listener, admin) = (mesh.listener.to_string(), mesh.admin.to_string());
    for (taken, free) in [(&admin, &listener), (&listener, &admin)] {
        let text = mesh.config().replace(free, &free_address().to_string());
        let path = mesh.path("second.toml");
        fs::write(&path, text.replace("upgrade.sock", "second.sock")).unwrap();
        let output = crate::mesh::command(&["run", path.to_str().unwrap()]).await;
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stderr.contains(taken), "{output:?}");
    }
}
