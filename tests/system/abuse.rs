//! Clients and upstreams that break off, stall, or say too much: nothing leaks to anybody else.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use hyper::{Request, Response};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mesh::http2::Http2;
use crate::mesh::tls::Certificate;
use crate::mesh::upstream::{body, piecewise};
use crate::mesh::wait::eventually;
use crate::mesh::{Connection, Mesh, Upstream};

const SHORT: &str = "header_timeout = \"500ms\"\nkeepalive_timeout = \"1s\"";

async fn in_flight(mesh: &Mesh) -> (f64, u64) {
    let status = mesh.status().await;
    let at_endpoint = status["services"]["web"]["endpoints"][0]["requests_in_flight"].as_u64();
    (mesh.metric("proconsul_http_requests_in_flight").await, at_endpoint.unwrap())
}

#[tokio::test]
async fn a_client_that_leaves_is_no_longer_counted() {
    let up = Upstream::http(|_| std::future::pending()).await;
    let mesh = Mesh::to(&up).listener("h2c = true").start().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut connection = mesh.connect().await;
        connection.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
        clients.push(connection);
    }
    let mut http2 = Http2::over(TcpStream::connect(mesh.listener).await.unwrap()).await;
    let request = Request::get("http://test/").body(body("")).unwrap();
    let pending = tokio::spawn(async move { http2.send(request).await.map(|_| ()) });
    eventually("six requests in flight", || async {
        (in_flight(&mesh).await == (6.0, 6)).then_some(())
    })
    .await;
    drop(clients);
    pending.abort();
    eventually("nobody in flight", || async { (in_flight(&mesh).await == (0.0, 0)).then_some(()) })
        .await;
    assert_eq!(mesh.metric("proconsul_http_requests_total{service=\"web\"}").await, 6.0);
}

#[tokio::test]
async fn an_upload_that_breaks_off_is_not_made_to_look_whole() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let up = Upstream::raw(move |mut stream, _| {
        let noted = noted.clone();
        async move {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all).await;
            noted.lock().push(String::from_utf8_lossy(&all).into_owned());
        }
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    for head in ["Transfer-Encoding: chunked", "Content-Length: 10"] {
        let mut connection = mesh.connect().await;
        let piece = if head.contains("chunked") { "3\r\nabc\r\n" } else { "abc" };
        connection.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{head}\r\n\r\n{piece}")).await;
        eventually("the upstream's turn", || async {
            (up.connections() > seen.lock().len()).then_some(())
        })
        .await;
        drop(connection);
        let count = seen.lock().len();
        eventually("the upstream to see the end", || async {
            (seen.lock().len() > count).then_some(())
        })
        .await;
        let text = seen.lock().last().unwrap().clone();
        assert!(!text.ends_with("0\r\n\r\n"), "{text:?}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_cut_off_everywhere() {
    let up = Upstream::echo("up").await;
    let certificate = Certificate::of("site.test");
    let builder = Mesh::to(&up).secure(&certificate, SHORT).listener(SHORT);
    let mesh = builder.listener("h2c = true").start().await;
    let secure = mesh.address_of("secure").await;

    let mut silent = mesh.connect().await;
    let mut half_greeting = mesh.connect().await;
    half_greeting.send("PRI * HTTP/2.0\r\n").await;
    let mut greeting_only = mesh.connect().await;
    greeting_only.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut short = mesh.connect().await;
    short.send("GET / HTTP/1.1\r\n").await;
    let h1 = certificate.connect(secure, "site.test", &["http/1.1"]).await.unwrap();
    let h2 = certificate.connect(secure, "site.test", &["h2"]).await.unwrap();
    let mut over_tls = [Connection::over(h1), Connection::over(h2)];
    for (what, connection) in [
        ("silent", &mut silent),
        ("half a greeting", &mut half_greeting),
        ("half a header", &mut short),
    ] {
        assert!(connection.is_closed().await, "{what}");
    }
    // Settings may come before the end.
    while !greeting_only.is_closed().await {
        let _ = greeting_only.take(1).await;
    }
    for connection in &mut over_tls {
        while !connection.is_closed().await {
            let _ = connection.take(1).await;
        }
    }
    // A client that does speak HTTP/2 is not among them.
    let mut client = Http2::over(TcpStream::connect(mesh.listener).await.unwrap()).await;
    let answer = client.whole(Request::get("http://test/").body(body("")).unwrap()).await;
    assert_eq!(answer.head.status, 200);
}

#[tokio::test]
async fn strangers_cannot_fill_the_log() {
    let up = Upstream::echo("up").await;
    let certificate = Certificate::of("site.test");
    let mesh = Mesh::to(&up).secure(&certificate, "").listener("h2c = true").start().await;
    let secure = mesh.address_of("secure").await;
    let begun = Instant::now();
    let before = mesh.log().lines().count();
    for _ in 0..20 {
        for address in [mesh.listener, secure] {
            for junk in [
                "\u{16}\u{3}\u{1}junk\r\n\r\n",
                "GET / HTTP/9.9\r\n\r\nxxxxxxxxxxxxxxxxxxxxx",
                "GET",
            ] {
                let mut connection = Connection::open(address).await;
                connection.send(junk).await;
                connection.stream.shutdown().await.unwrap();
                while !connection.is_closed().await && connection.take(1).await.is_ok() {}
            }
        }
        let mut preface = mesh.connect().await;
        preface.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense that is no frame at all").await;
        while !preface.is_closed().await && preface.take(1).await.is_ok() {}
    }
    assert_eq!(mesh.get("/").await.status, 200);
    let lines = mesh.log().lines().count() - before;
    let seconds = begun.elapsed().as_secs() as usize + 2;
    assert!(lines <= 10 * seconds, "{lines} lines in {seconds} s, of 140 bad connections");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let up = Upstream::http(|_| async {
        let (mut sender, made) = piecewise();
        tokio::spawn(async move {
            while sender.send_data(Bytes::from(vec![b'x'; 64 << 10])).await.is_ok() {}
        });
        Response::new(made)
    })
    .await;
    let mesh = Mesh::to(&up).listener("write_timeout = \"300ms\"").start().await;
    let mut connection = mesh.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    eventually("the request", || async { (up.requests() == 1).then_some(()) }).await;
    eventually("the cut", || async { (in_flight(&mesh).await == (0.0, 0)).then_some(()) }).await;
}

#[tokio::test]
async fn a_body_that_nobody_wants_does_not_become_a_request() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        services.web.endpoints = [{ address = "@up" }]
        routes = [
          { service = "web", path = "/yes" },
          { path = "/redirect", redirect = { path = "/yes" } },
        ]
        "#,
    )
    .at("up", &up)
    .start()
    .await;
    let smuggled = "GET /yes?smuggled HTTP/1.1\r\nHost: test\r\n\r\n";
    for path in ["/no", "/redirect"] {
        let mut connection = mesh.connect().await;
        let length = smuggled.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        connection.send(head + smuggled).await;
        assert!([404, 302].contains(&connection.answer().await.status), "{path}");
        connection.send("GET /yes?next HTTP/1.1\r\nHost: test\r\n\r\n").await;
        if let Ok(answer) = connection.try_answer().await {
            assert_eq!(answer.json()["path"], "/yes?next", "{path}");
        }
    }
}

/// Answers the very first request with `first`, in one write, and all others with `ok`.
async fn says_first(first: &'static [u8]) -> Upstream {
    Upstream::raw(move |mut stream, connection| async move {
        let mut request = vec![0; 4096];
        let mut answer = if connection == 0 { first } else { OK };
        while let Ok(1..) = stream.read(&mut request).await {
            let _ = stream.write_all(answer).await;
            answer = OK;
        }
    })
    .await
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn what_an_upstream_says_too_much_reaches_no_other_client() {
    for (what, method, extra) in [
        ("a second answer", "GET", &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"[..]),
        ("a body for HEAD", "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
        ("a body for 304", "GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil"),
        ("a body for 204", "GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil"),
        ("bytes after the body", "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokevil"),
        ("bytes after the last chunk", "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil"),
    ] {
        let up = says_first(extra).await;
        let mesh = Mesh::to(&up).start().await;
        let mut connection = mesh.connect().await;
        connection.send(format!("{method} /1 HTTP/1.1\r\nHost: test\r\n\r\n")).await;
        let first = connection.head().await.unwrap();
        let mut rest = Vec::new();
        if method == "GET" && first.status == 200 {
            rest = match first.header("content-length") {
                Some(_) => connection.take(2).await.unwrap(),
                None => connection.chunk().await.unwrap().unwrap(),
            };
        }
        assert!(rest.is_empty() || rest == b"ok", "{what}: {rest:?}");
        for _ in 0..3 {
            let answer = mesh.get("/2").await;
            assert_eq!((answer.status, answer.text()), (200, "ok".to_owned()), "{what}");
        }
    }
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let up = Upstream::raw(|mut stream, _| async move {
        let mut some = [0; 1024];
        let _ = stream.read(&mut some).await;
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
        while matches!(stream.read(&mut some).await, Ok(1..)) {}
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    connection.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nabc").await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.text()), (403, "no".to_owned()));
}
