//! HTTP/2 on either side, with and without TLS, and gRPC through it.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{HeaderMap, Request, Response};
use tokio::net::TcpStream;

use crate::mesh::client::Connection;
use crate::mesh::http2::Http2;
use crate::mesh::tls::Certificate;
use crate::mesh::upstream::{Body, body, piecewise};
use crate::mesh::wait::bounded;
use crate::mesh::{Mesh, Upstream};

fn post(uri: &str, content: Body) -> Request<Body> {
    Request::post(uri).header("te", "trailers").body(content).unwrap()
}

fn json(body: &Bytes) -> serde_json::Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {body:?}"))
}

#[tokio::test]
async fn http2_without_tls_reaches_an_http1_upstream() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("h2c = true").start().await;
    let mut client = Http2::over(TcpStream::connect(mesh.listener).await.unwrap()).await;
    let (mut first, mut second) = (client.clone(), client.clone());
    let request = |path: &str| post(&format!("http://test{path}"), body("abc"));
    let both = tokio::join!(first.whole(request("/1")), second.whole(request("/2?q")));
    for (answer, path) in [(both.0, "/1"), (both.1, "/2?q")] {
        let seen = json(&answer.body);
        assert_eq!(answer.head.status, 200);
        assert_eq!((&seen["path"], &seen["version"]), (&path.into(), &"HTTP/1.1".into()));
        assert_eq!((&seen["headers"]["host"], &seen["body"]), (&"test".into(), &"abc".into()));
    }
    let mut missing = Request::get("http://test/a/../b").body(body("")).unwrap();
    missing.headers_mut().insert("accept", "text/html".parse().unwrap());
    let refused = client.whole(missing).await;
    assert_eq!(refused.head.status, 400);
    assert_eq!(mesh.get("/").await.status, 200, "HTTP/1.1 is served beside it");
}

#[tokio::test]
async fn tls_offers_both_versions() {
    let up = Upstream::echo("up").await;
    let certificate = Certificate::of("site.test");
    let mesh = Mesh::to(&up).tls(&certificate).start().await;
    let stream =
        certificate.connect(mesh.listener, "site.test", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let answer = Http2::over(stream).await.whole(post("https://site.test/x", body("abc"))).await;
    let seen = json(&answer.body);
    assert_eq!(seen["headers"]["x-forwarded-proto"], "https");
    assert_eq!(seen["headers"]["host"], "site.test");

    let stream = certificate.connect(mesh.listener, "site.test", &["http/1.1"]).await.unwrap();
    let answer = Connection::over(stream).get("/y").await;
    assert_eq!(answer.json()["path"], "/y");
}

#[tokio::test]
async fn upstreams_are_spoken_to_as_configured() {
    let certificate = Certificate::of("inner.test");
    let echo = |request: Request<hyper::body::Incoming>| async move {
        Response::new(body(format!("{:?} {}", request.version(), request.uri().path())))
    };
    let clear = Upstream::http(echo).await;
    let both = Upstream::serve(Some(certificate.acceptor(&["h2", "http/1.1"])), echo).await;
    let old = Upstream::serve(Some(certificate.acceptor(&["http/1.1"])), echo).await;
    let mesh = Mesh::with(
        r#"
        [services]
        clear = { protocol = "http2", endpoints = [{ address = "@clear" }] }
        both = { endpoints = [{ address = "@both" }], tls = { ca = "ca.pem", server_name = "inner.test" } }
        one = { protocol = "http1", endpoints = [{ address = "@both" }], tls = { ca = "ca.pem", server_name = "inner.test" } }
        old = { endpoints = [{ address = "@old" }], tls = { ca = "ca.pem", server_name = "inner.test" } }
        other = { endpoints = [{ address = "@old" }], tls = { ca = "ca.pem", server_name = "other.test" } }
        unverified = { endpoints = [{ address = "@old" }], tls = { verify = false } }
        [[routes]]
        path = "/clear"
        service = "clear"
        [[routes]]
        path = "/both"
        service = "both"
        [[routes]]
        path = "/one"
        service = "one"
        [[routes]]
        path = "/old"
        service = "old"
        [[routes]]
        path = "/other"
        service = "other"
        [[routes]]
        path = "/unverified"
        service = "unverified"
        "#,
    )
    .at("clear", clear)
    .at("both", both)
    .at("old", old)
    .file("ca.pem", certificate.pem.as_str())
    .start()
    .await;
    for (path, expected) in [
        ("/clear", "HTTP/2.0 /clear"),
        ("/both", "HTTP/2.0 /both"),
        ("/one", "HTTP/1.1 /one"),
        ("/old", "HTTP/1.1 /old"),
        ("/unverified", "HTTP/1.1 /unverified"),
    ] {
        assert_eq!(mesh.get(path).await.text(), expected);
    }
    assert_eq!(mesh.get("/other").await.status, 502, "a certificate of another name");
}

/// A gRPC server by hand: a message and trailers, a stream of messages, or an error.
async fn grpc(request: Request<hyper::body::Incoming>) -> Response<Body> {
    let (head, incoming) = request.into_parts();
    let received = incoming.collect().await.unwrap().to_bytes();
    let builder = Response::builder().header("content-type", "application/grpc");
    if head.uri.path() == "/test/Fail" {
        let response = builder.header("grpc-status", "5").header("grpc-message", "nobody");
        return response.body(body("")).unwrap();
    }
    assert_eq!(head.headers["te"], "trailers", "gRPC servers refuse a client without it");
    let (mut sender, made) = piecewise();
    tokio::spawn(async move {
        let times = if head.uri.path() == "/test/Stream" { 3 } else { 1 };
        for _ in 0..times {
            sender.send_data(received.clone()).await.unwrap();
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("x-checksum", "7".parse().unwrap());
        sender.send_trailers(trailers).await.unwrap();
    });
    builder.body(made).unwrap()
}

/// A mesh with HTTP/2 on both sides, and a client of it.
async fn rpc_mesh(up: &Upstream) -> (Mesh, Http2) {
    let config = "[services.rpc]\nprotocol = \"http2\"\nendpoints = [{ address = \"@up\" }]\n\
                  [[routes]]\nservice = \"rpc\"\n";
    let mesh = Mesh::with(config).at("up", up).listener("h2c = true").start().await;
    let client = Http2::over(TcpStream::connect(mesh.listener).await.unwrap()).await;
    (mesh, client)
}

#[tokio::test]
async fn grpc_passes_with_its_trailers() {
    let up = Upstream::http(grpc).await;
    let (_mesh, mut client) = rpc_mesh(&up).await;
    let message = Bytes::from_static(b"\0\0\0\0\x02hi");
    for (path, times) in [("/test/Unary", 1), ("/test/Stream", 3)] {
        let request = post(&format!("http://test{path}"), body(message.clone()));
        let answer = client.whole(request).await;
        assert_eq!(answer.head.headers["content-type"], "application/grpc");
        assert_eq!(answer.body, message.repeat(times), "{path}");
        let trailers = answer.trailers.unwrap_or_else(|| panic!("{path}: no trailers"));
        assert_eq!(
            (&trailers["grpc-status"], &trailers["x-checksum"]),
            (&"0".parse().unwrap(), &"7".parse().unwrap())
        );
    }
    let answer = client.whole(post("http://test/test/Fail", body(message))).await;
    assert_eq!(
        (&answer.head.headers["grpc-status"], answer.body.len()),
        (&"5".parse().unwrap(), 0)
    );
}

#[tokio::test]
async fn messages_go_back_and_forth_in_one_grpc_call() {
    let up = Upstream::http(|request| async move {
        let (mut sender, made) = piecewise();
        let mut incoming = request.into_body();
        tokio::spawn(async move {
            while let Some(Ok(frame)) = incoming.frame().await {
                if let Ok(data) = frame.into_data() {
                    sender.send_data(data).await.unwrap();
                }
            }
        });
        Response::new(made)
    })
    .await;
    let (_mesh, mut client) = rpc_mesh(&up).await;
    let (mut sender, sent) = piecewise();
    let mut response = client.send(post("http://test/talk", sent)).await.unwrap();
    for word in ["one", "two", "three"] {
        sender.send_data(Bytes::from(word)).await.unwrap();
        let frame = bounded("the echo", response.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), word);
    }
    drop(sender);
    let rest = bounded("the end", response.into_body().collect()).await.unwrap();
    assert_eq!(rest.to_bytes(), "");
}

#[tokio::test]
async fn the_same_limits_hold_for_http2() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        services.web = { endpoints = [{ address = "@up" }], max_request_body = "10B" }
        routes = [{ service = "web" }]
        "#,
    )
    .at("up", &up)
    .listener("h2c = true\nmax_uri_bytes = \"100B\"\nmax_headers = 10")
    .start()
    .await;
    let mut client = Http2::over(TcpStream::connect(mesh.listener).await.unwrap()).await;
    let mut many = Request::get("http://test/").body(body("")).unwrap();
    for n in 0..12 {
        let name: http::HeaderName = format!("x-{n}").parse().unwrap();
        many.headers_mut().insert(name, "1".parse().unwrap());
    }
    let long = format!("http://test/{}", "u".repeat(100));
    for (status, request) in [
        (200, post("http://test/", body("0123456789"))),
        (413, post("http://test/", body("0123456789a"))),
        (414, Request::get(long).body(body("")).unwrap()),
        (431, many),
        (200, post("http://test/", body(""))),
    ] {
        assert_eq!(client.whole(request).await.head.status, status);
    }
}
