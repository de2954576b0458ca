//! What an operator sees of requests: the access log and the metrics.

use rustix::process::Signal;

use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream};

/// The lines of the access log, once there are so many.
async fn lines(mesh: &Mesh, count: usize) -> Vec<serde_json::Value> {
    eventually("access-log lines", || async {
        let text = std::fs::read_to_string(mesh.path("access.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

#[tokio::test]
async fn each_request_has_a_line_in_the_access_log() {
    let (up, down) = (Upstream::echo("up").await, Upstream::refusing());
    let mesh = Mesh::with(
        r#"
        access_log.target = { file = "access.log" }
        services.web.endpoints = [{ address = "@up" }]
        services.down.endpoints = [{ address = "@down" }]
        routes = [{ service = "web", path_prefix = "/w" }, { service = "down", path = "/d", name = "dead" }]
        "#,
    )
    .at("up", &up)
    .at("down", &down)
    .start()
    .await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    mesh.send(&format!(
        "POST /w?a=%22b HTTP/1.1\r\nHost: Test:80\r\nX-Request-Id: r1\r\nContent-Length: 3\r\n\
         Traceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\nabc"
    ))
    .await;
    mesh.get("/d").await;
    let third = "GET /%22%7d HTTP/1.1\r\nHost: a\r\nX-Request-Id: evil \"}\r\n\r\n";
    assert_eq!(mesh.send(third).await.status, 404);
    let lines = lines(&mesh, 3).await;
    let fields = |line: usize, names: &[&str]| -> Vec<serde_json::Value> {
        let value = |name: &&str| match &lines[line][name] {
            serde_json::Value::Null => lines[line]["fields"][name].clone(),
            value => value.clone(),
        };
        names.iter().map(value).collect()
    };
    let names = ["method", "host", "service", "route", "status", "bytes_in", "tries", "error"];
    let expected: Vec<serde_json::Value> = vec![
        "POST".into(),
        "Test:80".into(),
        "web".into(),
        "web".into(),
        200.into(),
        3.into(),
        1.into(),
        "".into(),
    ];
    assert_eq!(fields(0, &names), expected, "{:#}", lines[0]);
    assert_eq!(fields(0, &["request_id", "trace_id"]), ["r1", trace]);
    assert_eq!(fields(0, &["upstream", "client_ip"]), [up.to_string(), "127.0.0.1".to_owned()]);
    assert_eq!(fields(1, &["service", "route", "error"]), ["down", "dead", "upstream_unreachable"]);
    assert_eq!(lines[1]["fields"]["status"], 502);
    assert_eq!(lines[2]["request_id"].as_str().unwrap().len(), 32, "a bad id is replaced");
}

#[tokio::test]
async fn a_line_shows_what_was_chosen_and_hides_secrets() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up)
        .server(
            r#"[access_log]
            target = { file = "access.log" }
            fields = ["path", "status"]
            request_headers = ["User-Agent", "Authorization", "X-Evil"]
            response_headers = ["content-length"]
            user_id = { header = "x-user-id" }"#,
        )
        .start()
        .await;
    mesh.send(
        "GET /a?token=s3cret&b=1 HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\nX-User-Id: anna\r\n\
         Authorization: Bearer s3cret\r\nX-Evil: \"},\t{\"level\":\"x\"\r\n\r\n",
    )
    .await;
    let line = lines(&mesh, 1).await.remove(0);
    assert!(!line.to_string().contains("s3cret"), "{line:#}");
    assert_eq!((&line["level"], &line["message"]), (&"info".into(), &"request".into()));
    assert_eq!(line["user_id"], "anna");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line:#}");
    let fields = &line["fields"];
    assert_eq!(fields["path"], "/a?token=***&b=1");
    assert_eq!(fields["method"], serde_json::Value::Null);
    let headers = &fields["request_headers"];
    assert_eq!((&headers["user-agent"], &headers["authorization"]), (&"me".into(), &"***".into()));
    assert_eq!(headers["x-evil"], "\"},\t{\"level\":\"x\"");
    assert!(fields["response_headers"]["content-length"].is_string(), "{line:#}");
}

#[tokio::test]
async fn rotation_under_load_loses_no_line() {
    const REQUESTS: usize = 200;
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up)
        .server(
            "[access_log]\ntarget = { file = \"access.log\" }\n\
             rotate = { size = \"4KiB\", keep = 1000 }",
        )
        .start()
        .await;
    let requests = (0..4).map(|part| {
        let mesh = &mesh;
        async move {
            for number in 0..REQUESTS / 4 {
                mesh.get(&format!("/{part}-{number}")).await;
            }
        }
    });
    futures_util::future::join_all(requests).await;
    let paths = eventually("every line, in one file or another", || async {
        let mut paths = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(mesh.directory.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_name().to_string_lossy().starts_with("access.log") {
                // A file may be moved while it is looked for.
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                assert!(text.len() <= 4096, "{:?} is too large", entry.path());
                for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                    let line: serde_json::Value = serde_json::from_str(line).unwrap();
                    paths.insert(line["fields"]["path"].as_str().unwrap().to_owned());
                }
            }
        }
        (paths.len() == REQUESTS).then_some(paths)
    })
    .await;
    assert!(paths.contains("/0-0") && mesh.path("access.log.3").exists());
}

#[tokio::test]
async fn of_successes_a_share_is_logged_and_of_failures_all() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        access_log = { target = { file = "access.log" }, sample_2xx = 0.5 }
        services.web.endpoints = [{ address = "@up" }]
        routes = [{ service = "web", path_prefix = "/w" }]
        "#,
    )
    .at("up", &up)
    .start()
    .await;
    let trace = |end: &str| format!("Traceparent: 00-{}{end}-00f067aa0ba902b7-01", "1".repeat(16));
    for (path, end) in [
        ("/w/high", "ffffffffffffffff"),
        ("/w/low", "0000000000000001"),
        ("/none", "ffffffffffffffff"),
    ] {
        mesh.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", trace(end))).await;
    }
    let lines = lines(&mesh, 2).await;
    let paths: Vec<_> = lines.iter().map(|line| &line["fields"]["path"]).collect();
    assert_eq!(paths, ["/w/low", "/none"]);
    assert_eq!(lines[0]["fields"]["sample_rate"], 0.5);
    assert_eq!(lines[1]["fields"]["sample_rate"], serde_json::Value::Null);
}

/// Waits until a file has a line of a request to this path.
async fn has_line(mesh: &Mesh, file: &str, path: &str) {
    let wanted = format!("\"path\":\"{path}\"");
    eventually(&format!("a line of {path} in {file}"), || async {
        let text = std::fs::read_to_string(mesh.path(file)).unwrap_or_default();
        text.contains(&wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_begun_anew_when_asked_for() {
    let mesh = Mesh::to(&Upstream::echo("up").await)
        .file("logs/readme", "")
        .server("[access_log]\ntarget = { file = \"logs/access.log\" }")
        .start()
        .await;
    let moved = |to: &str| std::fs::rename(mesh.path("logs/access.log"), mesh.path(to)).unwrap();
    mesh.get("/first").await;
    has_line(&mesh, "logs/access.log", "/first").await;
    moved("logs/1");
    mesh.get("/second").await;
    has_line(&mesh, "logs/1", "/second").await;

    mesh.reloaded_by(|| mesh.signal(Signal::HUP)).await;
    mesh.get("/third").await;
    has_line(&mesh, "logs/access.log", "/third").await;
    moved("logs/2");

    mesh.edit("[[routes]]", "[[routs]]"); // whatever becomes of the configuration
    assert_eq!(mesh.admin("POST", "/-/reload").await.status, 422);
    mesh.get("/fourth").await;
    has_line(&mesh, "logs/access.log", "/fourth").await;

    std::fs::rename(mesh.path("logs"), mesh.path("elsewhere")).unwrap();
    let report = mesh.admin("POST", "/-/reload").await;
    assert!(report.json()["warnings"].to_string().contains("not reopened"), "{}", report.text());
    mesh.get("/fifth").await;
    has_line(&mesh, "elsewhere/access.log", "/fifth").await;
}

#[tokio::test]
async fn logs_change_with_the_configuration() {
    let mesh = Mesh::with(
        r#"
        log.level = "warn"
        access_log.target = "off"
        services.web.endpoints = [{ address = "@up" }]
        routes = [{ service = "web" }]
        "#,
    )
    .bare_log()
    .at("up", Upstream::echo("up").await)
    .start()
    .await;
    assert_eq!(mesh.log(), "");
    mesh.edit_and_wait("\"off\"", "{ file = \"a.log\" }").await;
    mesh.get("/to-a").await;
    has_line(&mesh, "a.log", "/to-a").await;
    mesh.edit_and_wait("a.log", "b.log").await;
    mesh.get("/to-b").await;
    has_line(&mesh, "b.log", "/to-b").await;
    assert!(!std::fs::read_to_string(mesh.path("a.log")).unwrap().contains("/to-b"));
    let report = mesh.reloaded_by(|| mesh.edit("b.log", "no-such-place/c.log")).await;
    assert_eq!(report["result"], "refused", "{report:#}");
    assert!(report["reasons"].to_string().contains("access_log.target"), "{report:#}");

    mesh.edit_and_wait("no-such-place/c.log", "b.log").await;
    assert!(!mesh.log().contains("INFO"), "{}", mesh.log());
    mesh.edit_and_wait("\"warn\"", "\"info\"").await;
    mesh.logged(&["INFO", "configuration reloaded"]).await;
}

#[tokio::test]
async fn metrics_count_by_service_route_and_status() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        services.web.endpoints = [{ address = "@up" }]
        routes = [{ service = "web", name = "api" }, { path = "/away", redirect = { status = 301, path = "/" } }]
        "#,
    )
    .at("up", &up)
    .start()
    .await;
    for _ in 0..3 {
        mesh.get("/").await;
    }
    mesh.get("/away").await;
    mesh.get("/a/..").await;
    for (labels, count) in [
        (r#"service="web",route="api",status_class="2xx""#, 3.0),
        (r#"route="redirect",status_class="3xx""#, 1.0),
        (r#"service="",route="",status_class="4xx""#, 1.0),
    ] {
        mesh.metric_reaches(&format!("proconsul_http_requests_total{{{labels}}}"), count).await;
        let timed = format!("proconsul_http_request_duration_seconds_count{{{labels}}}");
        assert_eq!(mesh.metric(&timed).await, count);
    }
    let picks = r#"proconsul_plugin_picks_total{service="web",strategy="round-robin"}"#;
    assert_eq!(mesh.metric(picks).await, 3.0);
    assert_eq!(mesh.metric("proconsul_http_requests_in_flight").await, 0.0);
    let text = mesh.admin("GET", "/metrics").await.text();
    let described = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .fold(name, |n, end| n.strip_suffix(end).unwrap_or(n));
        text.contains(&format!("# HELP {family} ")) && text.contains(&format!("# TYPE {family} "))
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let is_ours = line.starts_with("proconsul_") || line.starts_with("process_");
        assert!(is_ours && described(line), "{line}");
    }
    assert_eq!(mesh.admin("GET", "/-/healthy").await.status, 200);
}

#[tokio::test]
async fn a_log_for_machines_is_json_on_every_line() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with("log.format = \"json\"\nservices.web.endpoints = [{ address = \"@up\" }]\nroutes = [{ service = \"web\" }]")
        .at("up", &up)
        .bare_log()
        .start()
        .await;
    mesh.logged(&["\"listening\""]).await;
    for line in mesh.log().lines() {
        let json: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(json["timestamp"].is_string() && json["level"].is_string(), "{line}");
    }
}
