//! The clients that people have: curl, h2load and Prometheus, as Debian packages them. Other tests
//! speak for themselves, byte by byte; these show that programs nobody here wrote get along.

use std::fs::File;
use std::process::Stdio;

use tokio::process::Command;

use crate::mesh::plugin::Balancer;
use crate::mesh::wait::bounded;
use crate::mesh::{Mesh, Upstream};

/// What a program prints, having ended well.
async fn printed(program: &str, arguments: &[&str]) -> String {
    printed_of(program, arguments, Stdio::null()).await
}

/// The same of a program that reads its standard input.
async fn printed_of(program: &str, arguments: &[&str], input: impl Into<Stdio>) -> String {
    let mut command = Command::new(program);
    let output = bounded(program, command.args(arguments).stdin(input).output()).await;
    let output = output.unwrap_or_else(|error| panic!("{program} (see `make test`): {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn curl_gets_what_it_asks_for_in_both_versions() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("h2c = true").start().await;
    let url = format!("http://{}/a?b=c", mesh.listener);
    for (option, version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let format = "\n%{http_version} %{http_code}";
        let arguments = ["-sS", option, "-d", "body", "-w", format, &url];
        let answer = printed("curl", &arguments).await;
        let (seen, versions) = answer.trim().rsplit_once('\n').unwrap();
        assert_eq!(versions, format!("{version} 200"));
        let seen: serde_json::Value = serde_json::from_str(seen).unwrap();
        assert_eq!((&seen["path"], &seen["body"]), (&"/a?b=c".into(), &"body".into()));
    }
}

#[tokio::test]
async fn h2load_loses_nothing_in_either_version() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).listener("h2c = true").start().await;
    let url = format!("http://{}/", mesh.listener);
    for version in [&["--h1"][..], &[]] {
        let arguments = [version, &["-n", "500", "-c", "8", "-t", "1", &url]].concat();
        let report = printed("h2load", &arguments).await;
        assert!(report.contains("500 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
        assert!(report.contains("status codes: 500 2xx"), "{report}");
    }
    assert_eq!(up.requests(), 1000);
}

#[tokio::test]
async fn prometheus_finds_nothing_wrong_with_the_metrics() {
    let trap = "(if (i64.gt_u (local.get $key) (i64.const 1)) (then (call $trap)))";
    let plugin = Balancer { pick: trap, ..Balancer::default() };
    let mesh = Mesh::with(
        r#"
        strategies.mine = { plugin = "mine.wasm", hash_on = "path" }
        services.web = { strategy = "mine", endpoints = [{ address = "@up" }] }
        routes = [{ service = "web" }]
        "#,
    )
    .at("up", Upstream::echo("up").await)
    .file("mine.wasm", plugin.build())
    .start()
    .await;
    mesh.get("/").await;
    for family in ["http_requests_total", "plugin_traps_total", "plugin_fallbacks_total"] {
        mesh.metric_reaches(&format!("proconsul_{family}"), 1.0).await; // families without series are not shown
    }
    let metrics = mesh.path("metrics");
    std::fs::write(&metrics, mesh.admin("GET", "/metrics").await.body).unwrap();
    printed_of("promtool", &["check", "metrics"], File::open(metrics).unwrap()).await;
}
