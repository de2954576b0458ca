//! Which request goes where, and what either side sees of it.

use crate::mesh::{Answer, Mesh, Upstream};

/// A request in its bytes: request line, header lines, body.
fn request(line: &str, headers: &[&str], body: &str) -> String {
    let mut text = format!("{line} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        text.push_str("Host: test\r\n");
    }
    for header in headers {
        text.extend([header, "\r\n"]);
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.extend(["\r\n", body]);
    text
}

#[tokio::test]
async fn each_request_goes_where_its_most_specific_route_says() {
    let (a, b, c) =
        (Upstream::echo("a").await, Upstream::echo("b").await, Upstream::echo("c").await);
    let mesh = Mesh::with(
        r#"
        services.a.endpoints = [{ address = "@a" }]
        services.b.endpoints = [{ address = "@b" }]
        services.c.endpoints = [{ address = "@c" }]
        routes = [
          { service = "a", hosts = ["a.example"] },
          { service = "b", hosts = ["*.example"] },
          { service = "b", hosts = ["a.example"], path_prefix = "/b" },
          { service = "c", hosts = ["a.example"], path = "/b/c" },
          { service = "b", hosts = ["m.test"], methods = ["POST"] },
          { service = "c", hosts = ["m.test"], headers = [{ name = "x-v", value = "2" }] },
          { service = "a", hosts = ["m.test"], path_regex = "/r/[0-9]+" },
          { service = "a", hosts = ["m.test"] },
        ]
        "#,
    )
    .at("a", a)
    .at("b", b)
    .at("c", c)
    .start()
    .await;
    for (host, line, header, goes_to) in [
        ("a.example", "GET /", "X: 1", "a"),
        ("A.Example:81", "GET /", "X: 1", "a"),
        ("a.example.", "GET /", "X: 1", "a"),
        ("a.example", "GET /b", "X: 1", "b"),
        ("a.example", "GET /b/", "X: 1", "b"),
        ("a.example", "GET /bb", "X: 1", "a"),
        ("a.example", "GET /b/c", "X: 1", "c"),
        ("a.example", "GET /b/c?q", "X: 1", "c"),
        ("x.example", "GET /b/c", "X: 1", "b"),
        ("y.x.example", "GET /", "X: 1", "b"),
        ("m.test", "POST /", "X: 1", "b"),
        ("m.test", "GET /", "X-V: 2", "c"),
        ("m.test", "GET /", "X-V: 3", "a"),
        ("m.test", "POST /r/12", "X-V: 2", "a"),
    ] {
        let answer = mesh.send(&request(line, &[&format!("Host: {host}"), header], "")).await;
        assert_eq!(answer.header("x-upstream").as_deref(), Some(goes_to), "{line} at {host}");
    }
    let answer = mesh.send(&request("GET /", &["Host: example"], "")).await;
    assert_eq!(answer.status, 404);
    mesh.metric_reaches(r#"proconsul_http_requests_total{service="",status_class="4xx"}"#, 1.0)
        .await;
}

#[tokio::test]
async fn paths_are_rewritten_and_queries_kept() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        services.web.endpoints = [{ address = "@up" }]
        routes = [
          { service = "web", path_prefix = "/api", rewrite = { prefix = "/v2" } },
          { service = "web", path_prefix = "/strip", rewrite = { prefix = "/" } },
          { service = "web", path = "/old", rewrite = { path = "/new" } },
          { service = "web", path_regex = "/u/[0-9]+", rewrite = { regex = "^/u/([0-9]+)$", replacement = "/users?id=$1" } },
          { service = "web" },
        ]
        "#,
    )
    .at("up", up)
    .start()
    .await;
    for (sent, seen) in [
        ("/api/x?q=1", "/v2/x?q=1"),
        ("/api", "/v2"),
        ("/strip/a/b", "/a/b"),
        ("/strip", "/"),
        ("/old?q", "/new?q"),
        ("/u/7", "/users?id=7"),
        ("/u/7?x=y", "/users?id=7&x=y"),
        ("/%41%2Fb?%20", "/%41%2Fb?%20"),
        ("/a//b", "/a//b"),
        ("/?", "/?"),
    ] {
        assert_eq!(mesh.get(sent).await.json()["path"], seen, "{sent}");
    }
    let absolute = mesh.send(&request("GET http://test/api/y?q", &[], "")).await;
    assert_eq!(absolute.json()["path"], "/v2/y?q");
    let options = mesh.send(&request("OPTIONS *", &[], "")).await;
    assert_eq!(options.json()["path"], "*");
}

#[tokio::test]
async fn a_redirect_is_answered_by_the_proxy() {
    let mesh = Mesh::with(
        r#"
        routes = [
          { path_prefix = "/a", redirect = { scheme = "https" } },
          { path_prefix = "/b", redirect = { host = "b.test", port = 81, path = "/x", status = 308 } },
        ]
        "#,
    )
    .start()
    .await;
    let mut connection = mesh.connect().await;
    for (path, status, location) in [
        ("/a/1?q", 302, "https://test/a/1?q"),
        ("/b?q", 308, "http://b.test:81/x?q"),
        ("/a", 302, "https://test/a"),
    ] {
        let answer = connection.get(path).await;
        let found = (answer.status, answer.header("location").unwrap_or_default());
        assert_eq!(found, (status, location.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn headers_are_edited_on_the_way_in_and_out() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        [services.web]
        endpoints = [{ address = "@up" }]
        request_headers = { remove = ["x-gone"], set = { x-set = "service", host = "inside" }, add = { x-add = "1" } }
        response_headers = { remove = ["x-upstream"], add = { x-by = "service" } }
        [[routes]]
        service = "web"
        request_headers = { set = { x-set = "route" }, add = { x-add = "2" } }
        response_headers = { add = { x-by = "route" } }
        "#,
    )
    .at("up", up)
    .start()
    .await;
    let answer = mesh.send(&request("GET /", &["X-Gone: 1", "X-Set: client"], "")).await;
    let seen = ["x-gone", "x-set", "x-add", "host"].map(|name| answer.seen(name));
    assert_eq!(seen, ["-", "route", "1, 2", "inside"]);
    assert_eq!(answer.header("x-upstream"), None);
    assert_eq!(answer.header("x-by").as_deref(), Some("service, route"));
}

#[tokio::test]
async fn the_upstream_learns_where_a_request_came_from() {
    let up = Upstream::echo("up").await;
    let lies = &["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: ftp", "Forwarded: for=evil"];
    let origin = |answer: &Answer| {
        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"]
            .map(|name| answer.seen(name))
    };

    let mesh = Mesh::to(&up).start().await;
    let answer = mesh.send(&request("GET /", lies, "")).await;
    let ours = "for=127.0.0.1;host=test;proto=http";
    assert_eq!(origin(&answer), ["127.0.0.1", "http", "test", ours]);
    assert_eq!(answer.seen("host"), "test");

    let mesh = Mesh::to(&up).listener(r#"trusted_proxies = ["127.0.0.0/8"]"#).start().await;
    let answer = mesh.send(&request("GET /", lies, "")).await;
    let continued = ["6.6.6.6, 127.0.0.1", "ftp", "test", &format!("for=evil, {ours}")];
    assert_eq!(origin(&answer), continued);
}

#[tokio::test]
async fn a_request_has_an_id_and_a_place_in_a_trace() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).start().await;
    let answer = mesh.get("/").await;
    assert_eq!(answer.seen("x-request-id").len(), 32);
    assert!(answer.seen("traceparent").starts_with("00-"), "{answer:?}");

    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traceparent = format!("Traceparent: {trace}");
    let headers = ["X-Request-Id: abc", &traceparent, "Tracestate: k=v"];
    let answer = mesh.send(&request("GET /", &headers, "")).await;
    let seen = ["x-request-id", "traceparent", "tracestate"].map(|name| answer.seen(name));
    assert_eq!(seen, ["abc", trace, "k=v"]);

    let answer =
        mesh.send(&request("GET /", &["Traceparent: 00-bad", "Tracestate: k=v"], "")).await;
    assert_eq!(answer.seen("tracestate"), "-", "a state without its trace means nothing");
    assert_ne!(answer.seen("traceparent"), "00-bad");
}

#[tokio::test]
async fn headers_of_one_hop_stay_on_it() {
    let up = Upstream::raw(|mut stream, _| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") && stream.read_buf(&mut seen).await.unwrap() > 0 {}
        let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n\
                    X-Hop: 1\r\nProxy-Authenticate: Basic\r\nX-End: 1\r\n";
        let text = format!("{head}Content-Length: {}\r\n\r\n", seen.len());
        stream.write_all(text.as_bytes()).await.unwrap();
        stream.write_all(&seen).await.unwrap();
    })
    .await;
    let mesh = Mesh::to(&up).start().await;
    let headers = [
        "Connection: keep-alive, X-Mine",
        "X-Mine: 1",
        "Keep-Alive: timeout=9",
        "Proxy-Connection: keep-alive",
        "TE: gzip",
        "Trailer: X-T",
        "Upgrade: h2c",
        "X-End: 1",
    ];
    let answer = mesh.send(&request("GET /", &headers, "")).await;
    let seen = answer.text().to_ascii_lowercase();
    for name in ["x-mine", "keep-alive:", "proxy-connection", "te:", "upgrade:"] {
        assert!(!seen.contains(&format!("\r\n{name}")), "{name} reached the upstream:\n{seen}");
    }
    assert!(seen.contains("x-end: 1"));
    let back = ["x-hop", "keep-alive", "x-end"].map(|name| answer.header(name).is_some());
    assert_eq!(back, [false, false, true], "{:?}", answer.headers);
}

#[tokio::test]
async fn what_is_not_served_is_explained_in_the_clients_own_form() {
    let refusing = Upstream::refusing();
    let mesh = Mesh::with(
        r#"
        services.down.endpoints = [{ address = "@refusing" }]
        services.nobody.endpoints = [{ address = "nobody.invalid:1" }]
        routes = [
          { service = "down", path_prefix = "/down" },
          { service = "nobody", path_prefix = "/nobody" },
        ]
        "#,
    )
    .at("refusing", refusing)
    .start()
    .await;
    for (path, status, code) in [
        ("/", 404, "no_route"),
        ("/nobody", 503, "no_endpoint"),
        ("/down", 502, "upstream_unreachable"),
    ] {
        let answer = mesh.send(&request(&format!("GET {path}"), &["X-Request-Id: r1"], "")).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
        let problem = answer.json();
        assert_eq!((&problem["code"], &problem["request_id"]), (&code.into(), &"r1".into()));

        let page = mesh.send(&request(&format!("GET {path}"), &["Accept: text/html"], "")).await;
        assert_eq!(page.header("content-type").as_deref(), Some("text/html; charset=utf-8"));
        assert!(page.text().contains(&status.to_string()), "{page:?}");

        // A body would be taken for the answer to the next request.
        let mut connection = mesh.connect().await;
        connection.send(request(&format!("HEAD {path}"), &[], "")).await;
        let head = connection.head().await.unwrap();
        assert_eq!(head.status, status);
        match head.header("connection").as_deref() {
            Some("close") => assert!(connection.is_closed().await, "{path}"),
            _ => assert_eq!(connection.get("/").await.status, 404, "{path}"),
        }
    }
}

#[tokio::test]
async fn sizes_have_limits() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        [services.web]
        endpoints = [{ address = "@up" }]
        max_request_body = "10B"
        [[routes]]
        service = "web"
        [[routes]]
        service = "web"
        path = "/wide"
        max_request_body = "20B"
        "#,
    )
    .at("up", &up)
    .listener("max_uri_bytes = \"100B\"\nmax_header_bytes = \"2KiB\"\nmax_headers = 10")
    .start()
    .await;
    let chunked = |path: &str, text: &str| {
        let chunk = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
        request(&format!("POST {path}"), &["Transfer-Encoding: chunked"], "") + &chunk
    };
    let many: Vec<String> = (0..12).map(|n| format!("X-{n}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (status, text) in [
        (200, request("POST /", &[], "0123456789")),
        (413, request("POST /", &[], "0123456789a")),
        (200, request("POST /wide", &[], "0123456789a")),
        (200, chunked("/", "0123456789")),
        (413, chunked("/", "0123456789a")),
        (200, request(&format!("GET /{}", "u".repeat(90)), &[], "")),
        (414, request(&format!("GET /{}", "u".repeat(100)), &[], "")),
        (431, request("GET /", &[&format!("X: {}", "h".repeat(2048))], "")),
        (431, request("GET /", &many, "")),
    ] {
        let answer = mesh.send(&text).await;
        assert_eq!(answer.status, status, "{text:?}");
    }
    assert_eq!(
        mesh.send(&request("POST /", &[], "0123456789a")).await.json()["code"],
        "body_too_large"
    );
}

#[tokio::test]
async fn each_request_of_a_connection_is_for_its_own_host() {
    let (one, two) = (Upstream::echo("one").await, Upstream::echo("two").await);
    let mesh = Mesh::with(
        r#"
        services.one.endpoints = [{ address = "@one" }]
        services.two.endpoints = [{ address = "@two" }]
        routes = [
            { service = "one", hosts = ["one.test"] },
            { service = "two", hosts = ["two.test"] },
        ]
        "#,
    )
    .at("one", one)
    .at("two", two)
    .start()
    .await;
    let mut client = mesh.connect().await;
    for host in ["one.test", "ONE.test:80", "two.test", "one.test", "two.test:80"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let answer = client.answer().await;
        let service = host[..3].to_ascii_lowercase();
        assert_eq!(answer.json()["name"], service, "{host}");
        assert_eq!(answer.seen("x-forwarded-host"), host);
        let quote = if host.contains(':') { "\"" } else { "" };
        let forwarded = format!("for=127.0.0.1;host={quote}{host}{quote};proto=http");
        assert_eq!(answer.seen("forwarded"), forwarded);
    }
    client.send("GET / HTTP/1.1\r\nHost: one.test/../two\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 400);
}
