//! Requests that two parsers could read differently: refused, and never seen by an upstream.

use std::time::{Duration, Instant};

use crate::mesh::{Mesh, Upstream};

/// What every refused request hides: if it reaches the upstream, somebody was smuggled past.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n";

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let up = Upstream::echo("up").await;
    let mesh =
        Mesh::to(&up).listener("header_timeout = \"1s\"\nkeepalive_timeout = \"1s\"").start().await;
    let post = |headers: &str| format!("POST / HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
    let get = |headers: &str| format!("GET / HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
    let cases = [
        (
            "length and coding",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "coding and length",
            post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n",
        ),
        ("two lengths", post("Content-Length: 3\r\nContent-Length: 5\r\n") + "abcde"),
        ("twice the same length", post("Content-Length: 5\r\nContent-Length: 5\r\n") + "abcde"),
        ("lengths in a list", post("Content-Length: 5, 5\r\n") + "abcde"),
        ("a length with a sign", post("Content-Length: +5\r\n") + "abcde"),
        ("a negative length", post("Content-Length: -5\r\n")),
        ("a length in hex", post("Content-Length: 0x5\r\n") + "abcde"),
        ("no length at all", post("Content-Length: \r\n")),
        ("a huge length", post("Content-Length: 99999999999999999999\r\n")),
        ("a space in a length", post("Content-Length: 5 5\r\n") + "abcde"),
        ("a folded line", get("X: a\r\n b\r\n")),
        ("a folded length", post("Content-Length:\r\n 5\r\n") + "abcde"),
        ("a header before any name", "GET / HTTP/1.1\r\n X: a\r\nHost: test\r\n\r\n".into()),
        ("a bare LF", "GET / HTTP/1.1\nHost: test\n\n".into()),
        ("a bare LF after a header", get("X: a\nY: b\r\n")),
        ("a bare LF at the end", "GET / HTTP/1.1\r\nHost: test\r\n\n".into()),
        ("a bare CR", get("X: a\rY: b\r\n")),
        ("a space before a colon", get("X : a\r\n")),
        ("a space before the length's colon", post("Content-Length : 5\r\n") + "abcde"),
        ("a tab before a colon", get("X\t: a\r\n")),
        ("no colon", get("X\r\n")),
        ("an empty name", get(": a\r\n")),
        ("a NUL in a value", get("X: a\0b\r\n")),
        ("a NUL in a name", get("X\0: a\r\n")),
        (
            "a coding in HTTP/1.0",
            "POST / HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        ),
        ("gzip", post("Transfer-Encoding: gzip\r\n")),
        ("gzip, then chunked", post("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n"),
        ("chunked, then identity", post("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n"),
        (
            "twice chunked",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "chunked in two lines",
            post("Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
        ),
        ("xchunked", post("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n"),
        ("quoted chunked", post("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n"),
        ("chunked with a parameter", post("Transfer-Encoding: chunked;a=b\r\n") + "0\r\n\r\n"),
        ("chunked after a vertical tab", post("Transfer-Encoding: \u{b}chunked\r\n") + "0\r\n\r\n"),
        ("no host", "GET / HTTP/1.1\r\n\r\n".into()),
        ("two hosts", get("Host: other\r\n")),
        ("a host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".into()),
        ("a host with a user", "GET / HTTP/1.1\r\nHost: me@test\r\n\r\n".into()),
        ("a host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into()),
        ("two authorities", "GET http://other/ HTTP/1.1\r\nHost: test\r\n\r\n".into()),
        ("an unknown version", "GET / HTTP/1.2\r\nHost: test\r\n\r\n".into()),
        ("version 2 in the clear", "GET / HTTP/2.0\r\nHost: test\r\n\r\n".into()),
        ("no version", "GET /\r\nHost: test\r\n\r\n".into()),
        ("a method that is none", "G@T / HTTP/1.1\r\nHost: test\r\n\r\n".into()),
        ("a path that climbs", "GET /a/../b HTTP/1.1\r\nHost: test\r\n\r\n".into()),
        ("a path that climbs, escaped", "GET /a/%2e%2E/b HTTP/1.1\r\nHost: test\r\n\r\n".into()),
    ];
    let mut failures = Vec::new();
    let all = cases.len() as f64;
    for (what, bytes) in cases {
        let mut connection = mesh.connect().await;
        connection.send(bytes + HIDDEN).await;
        let status = connection.try_answer().await.map(|answer| answer.status).unwrap_or(0);
        let closed = connection.is_closed().await;
        if ![0, 400].contains(&status) || !closed || up.requests() > 0 {
            let reached = up.requests();
            failures.push(format!("{what}: {status}, closed {closed}, {reached} reached so far"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(up.connections(), 0);
    let refused = mesh.metric("proconsul_http_requests_total{status_class=\"4xx\"}").await;
    let malformed = mesh.metric("proconsul_http_malformed_requests_total").await;
    assert!(malformed > 0.0 && refused > 0.0, "{malformed} malformed, {refused} refused");
    assert_eq!(malformed + refused, all, "each is counted once");
}

#[tokio::test]
async fn bad_chunks_end_the_connection() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    for (what, body) in [
        ("a size that is no number", "xyz\r\nabc\r\n0\r\n\r\n"),
        ("a size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        ("a size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        ("a huge size", "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
        ("a chunk that is longer than it says", "3\r\nabcd\r\n0\r\n\r\n"),
        ("a bare LF after a size", "3\nabc\r\n0\r\n\r\n"),
        ("a bare LF after a chunk", "3\r\nabc\n0\r\n\r\n"),
    ] {
        let mut connection = mesh.connect().await;
        let head = "POST /chunks HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
        connection.send(format!("{head}{body}{HIDDEN}")).await;
        let status = connection.try_answer().await.map(|answer| answer.status).unwrap_or(0);
        assert!([0, 400].contains(&status), "{what}: {status}");
        assert!(connection.is_closed().await, "{what}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    let post = "POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc";
    let chunked =
        "POST /2 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let get = "GET /3 HTTP/1.1\r\nHost: test\r\n\r\n";
    connection.send(format!("{post}{chunked}{get}")).await;
    for (path, body) in [("/1", "abc"), ("/2", "abc"), ("/3", "")] {
        let seen = connection.answer().await.json();
        assert_eq!((&seen["path"], &seen["body"]), (&path.into(), &body.into()));
    }
}

#[tokio::test]
async fn a_header_that_drips_in_is_cut_off() {
    let up = Upstream::echo("up").await;
    let limits = "header_timeout = \"1s\"\nkeepalive_timeout = \"1s\"";
    let mesh = Mesh::to(&up).listener(limits).start().await;
    let begun = Instant::now();
    let mut connection = mesh.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: test\r\n").await;
    let drip = async {
        loop {
            connection.send("X: y\r\n").await;
            let read = tokio::time::timeout(Duration::from_millis(100), connection.is_closed());
            if let Ok(closed) = read.await {
                return closed;
            }
        }
    };
    assert!(crate::mesh::wait::bounded("the cut", drip).await);
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(up.requests(), 0);
    mesh.metric_reaches("proconsul_http_slow_clients_total", 1.0).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let up = Upstream::echo("up").await;
    let limits = "header_timeout = \"1s\"\nkeepalive_timeout = \"1s\"";
    let mesh = Mesh::to(&up).listener(limits).start().await;
    let mut silent = mesh.connect().await;
    assert!(silent.is_closed().await, "it never said anything");
    let mut idle = mesh.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    assert!(idle.is_closed().await, "it said nothing more");
    assert!(!mesh.log().contains("ERROR"), "clients can fill the log:\n{}", mesh.log());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_408() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("body_timeout = \"200ms\"").start().await;
    let mut connection = mesh.connect().await;
    connection.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nab").await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, &answer.json()["code"]), (408, &"client_timeout".into()));
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn so_many_requests_and_no_more_on_one_connection() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("keepalive_requests = 3").start().await;
    let mut connection = mesh.connect().await;
    for _ in 0..2 {
        assert_eq!(connection.get("/").await.status, 200);
    }
    let last = connection.get("/").await;
    assert_eq!(last.header("connection").as_deref(), Some("close"));
    assert!(connection.is_closed().await);
}
