//! Endpoints that do not serve: who answers instead, and what the client hears when nobody does.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::mesh::{Mesh, Upstream, free_address};

const FAILURES: &str = "proconsul_upstream_connect_failures_total{service=\"web\"}";

fn service(endpoints: usize, keys: &str) -> String {
    let list: String = (0..endpoints).map(|n| format!("{{ address = \"@{n}\" }},")).collect();
    format!("[services.web]\nendpoints = [{list}]\n{keys}\n[[routes]]\nservice = \"web\"\n")
}

#[tokio::test]
async fn who_refuses_is_passed_over() {
    let (down, up) = (Upstream::refusing(), Upstream::echo("up").await);
    let mesh = Mesh::with(&service(2, "health = { passive = false }"))
        .at("0", down)
        .at("1", &up)
        .start()
        .await;
    let mut connection = mesh.connect().await;
    let post = "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc";
    for _ in 0..10 {
        connection.send(post).await;
        assert_eq!(connection.answer().await.json()["body"], "abc");
    }
    assert_eq!(up.requests(), 10);
    let failures = mesh.metric(FAILURES).await;
    assert!((4.0..=10.0).contains(&failures), "no more than once a request: {failures}");
}

#[tokio::test]
async fn tries_are_bounded() {
    let down = (0..5).map(|_| Upstream::refusing()).collect::<Vec<_>>();
    let mut builder = Mesh::with(&service(5, "connect_tries = 2"));
    for (n, upstream) in down.iter().enumerate() {
        builder = builder.at(&n.to_string(), upstream);
    }
    let mesh = builder.start().await;
    let answer = mesh.get("/").await;
    assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_unreachable".into()));
    assert_eq!(answer.header("connection").as_deref(), Some("close"), "pingora closes");
    assert_eq!(mesh.metric(FAILURES).await, 2.0);
    for endpoint in mesh.status().await["services"]["web"]["endpoints"].as_array().unwrap() {
        assert_eq!(endpoint["requests_in_flight"], 0);
    }
}

/// A listener whose queue is full: a connection to it is neither made nor refused.
async fn swamped() -> (String, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    let address = free_address();
    socket.bind(address).unwrap();
    let listener = socket.listen(0).unwrap();
    let mut held = Vec::new();
    let quickly = std::time::Duration::from_millis(200);
    while let Ok(Ok(stream)) = tokio::time::timeout(quickly, TcpStream::connect(address)).await {
        held.push(stream);
    }
    std::mem::forget(listener); // it must not accept, and must not go
    (address.to_string(), held)
}

#[tokio::test]
async fn who_does_not_answer_the_call_is_late() {
    let (address, _held) = swamped().await;
    let keys = "connect_tries = 1\ntimeouts = { connect = \"200ms\" }";
    let mesh = Mesh::with(&service(1, keys)).at("0", &address).start().await;
    let answer = mesh.get("/").await;
    assert_eq!((answer.status, &answer.json()["code"]), (504, &"upstream_timeout".into()));
    assert_eq!(mesh.metric(FAILURES).await, 1.0);
}

#[tokio::test]
async fn who_does_not_answer_the_request_is_late() {
    let up = Upstream::http(|_| std::future::pending()).await;
    let config = service(1, "timeouts = { read = \"10s\" }")
        + "[[routes]]\npath = \"/quick\"\nservice = \"web\"\ntimeouts = { read = \"200ms\" }\n";
    let mesh = Mesh::with(&config).at("0", &up).start().await;
    let post = "POST /quick HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc";
    for request in ["GET /quick HTTP/1.1\r\nHost: test\r\n\r\n", post] {
        let answer = mesh.send(request).await;
        assert_eq!((answer.status, &answer.json()["code"]), (504, &"upstream_timeout".into()));
    }
    assert_eq!(up.requests(), 2, "a request that may have been served is not sent again");
}

/// Answers with `bytes`, whatever they are, and hangs up.
async fn says(bytes: &'static [u8]) -> Upstream {
    Upstream::raw(move |mut stream, _| async move {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(bytes).await;
    })
    .await
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_502() {
    for bytes in [
        &b""[..],
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    ] {
        let up = says(bytes).await;
        let mesh = Mesh::to(&up).start().await;
        let answer = mesh.get("/").await;
        assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_failed".into()));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_to_look_whole() {
    for bytes in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let up = says(bytes).await;
        let mesh = Mesh::to(&up).start().await;
        let mut connection = mesh.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
        let answer = connection.try_answer().await;
        assert!(answer.is_err(), "{answer:?}");
    }
}
