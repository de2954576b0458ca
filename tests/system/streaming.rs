//! Bodies that pass through as they come, in both directions, and connections that are used again.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::tungstenite::Message;

use crate::mesh::upstream::{body, piecewise};
use crate::mesh::wait::bounded;
use crate::mesh::{Mesh, Upstream};

#[tokio::test]
async fn a_response_arrives_as_it_is_made() {
    let (sender, made) = piecewise();
    let made = Arc::new(Mutex::new(Some(made)));
    let up = Upstream::http(move |_| {
        let made = made.clone();
        async move { Response::new(made.lock().await.take().unwrap()) }
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let mut sender = sender;
    for piece in ["event: 1\n\n", "event: 2\n\n", "event: 3\n\n"] {
        sender.send_data(Bytes::from(piece)).await.unwrap();
        if piece.contains('1') {
            assert_eq!(connection.head().await.unwrap().status, 200);
        }
        let chunk = bounded("a piece", connection.chunk()).await.unwrap().unwrap();
        assert_eq!(chunk, piece.as_bytes());
    }
    drop(sender);
    assert_eq!(connection.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn an_upload_arrives_as_it_is_sent() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let up = Upstream::http(move |mut request| {
        let tell = tell.clone();
        async move {
            while let Some(Ok(frame)) = request.body_mut().frame().await {
                tell.send(frame.into_data().unwrap().len()).unwrap();
            }
            Response::new(body("done"))
        }
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    for head in ["Content-Length: 3000", "Transfer-Encoding: chunked"] {
        let mut connection = mesh.connect().await;
        connection.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{head}\r\n\r\n")).await;
        for _ in 0..3 {
            let piece = "p".repeat(1000);
            let sent = if head.contains("chunked") { format!("3e8\r\n{piece}\r\n") } else { piece };
            connection.send(sent).await;
            let mut arrived = 0;
            while arrived < 1000 {
                arrived += bounded("a piece at the upstream", told.recv()).await.unwrap();
            }
        }
        if head.contains("chunked") {
            connection.send("0\r\n\r\n").await;
        }
        assert_eq!(connection.answer().await.text(), "done");
    }
}

#[tokio::test]
async fn a_large_body_passes_whole() {
    let up = Upstream::http(|request| async move {
        let received = request.into_body().collect().await.unwrap().to_bytes();
        Response::new(body(received))
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    let sent: String = (0..4 << 20).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    let head = format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", sent.len());
    let mut connection = mesh.connect().await;
    connection.send(head + &sent).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == sent.as_bytes(), "{} bytes came back", answer.body.len());
}

#[tokio::test]
async fn a_websocket_echoes() {
    let up = Upstream::raw(|stream, _| async move {
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    let stream = tokio::net::TcpStream::connect(mesh.listener).await.unwrap();
    let (mut socket, response) =
        bounded("the handshake", tokio_tungstenite::client_async("ws://test/chat", stream))
            .await
            .unwrap();
    assert_eq!(response.status(), 101);
    for text in ["one", "two", &"x".repeat(100_000)] {
        socket.send(Message::text(text)).await.unwrap();
        let back = bounded("the echo", socket.next()).await.unwrap().unwrap();
        assert!(back.to_text().unwrap() == text);
    }
    socket.close(None).await.unwrap();
    mesh.metric_reaches(r#"proconsul_http_requests_total{status_class="1xx"}"#, 1.0).await;
}

#[tokio::test]
async fn a_client_may_wait_for_100_continue() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    connection.send(head).await;
    assert_eq!(bounded("the interim answer", connection.head()).await.unwrap().status, 100);
    connection.send("abc").await;
    assert_eq!(connection.answer().await.json()["body"], "abc");
}

#[tokio::test]
async fn an_interim_answer_passes() {
    let up = Upstream::raw(|mut stream, _| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
                      HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    connection.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let hints = connection.answer().await;
    assert_eq!((hints.status, hints.header("link").as_deref()), (103, Some("</a.css>")));
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.text()), (200, "ok".to_owned()));
}

#[tokio::test]
async fn connections_are_used_again_on_both_sides() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    for _ in 0..5 {
        assert_eq!(connection.get("/").await.status, 200);
        connection.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n").await;
        assert_eq!(connection.head().await.unwrap().status, 200);
    }
    assert_eq!((up.requests(), up.connections()), (10, 1));
}

#[tokio::test]
async fn old_clients_are_answered_and_let_go() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    let mut connection = mesh.connect().await;
    connection.send("GET /old HTTP/1.0\r\nHost: test\r\n\r\n").await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["path"], "/old");
    assert!(connection.is_closed().await);
}

/// Answers the first request of each connection, then hangs up on the second, unanswered.
async fn forgetful(seen: mpsc::UnboundedSender<String>) -> Upstream {
    Upstream::raw(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            let mut request = vec![0; 4096];
            for turn in 0..2 {
                let Ok(read @ 1..) = stream.read(&mut request).await else { return };
                seen.send(String::from_utf8_lossy(&request[..read]).into_owned()).unwrap();
                if turn == 0 {
                    let _ =
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stale_connection_costs_a_get_nothing_and_a_post_is_not_sent_twice() {
    let (tell, mut seen) = mpsc::unbounded_channel();
    let up = forgetful(tell).await;
    let mesh = Mesh::to(&up).start().await;
    assert_eq!(mesh.get("/1").await.status, 200);
    assert_eq!(mesh.get("/2").await.status, 200, "sent again over a fresh connection");
    assert_eq!(up.connections(), 2);
    let post = "POST /3 HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc";
    let answer = mesh.send(post).await;
    assert_eq!((answer.status, &answer.json()["code"]), (502, &"upstream_failed".into()));
    assert_eq!(mesh.get("/4").await.status, 200);
    let mut posts = 0;
    while let Ok(request) = seen.try_recv() {
        posts += usize::from(request.starts_with("POST"));
    }
    assert_eq!(posts, 1);
}
