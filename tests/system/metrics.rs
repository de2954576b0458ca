//! What the metrics are for: windows over the API and the command line, the shipped dashboard and rules, and
//! Debian's Prometheus, which scrapes the proxy and finds by it what is registered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use regex::Regex;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::mesh::client::{Answer, Connection};
use crate::mesh::command::command;
use crate::mesh::plugin::Balancer;
use crate::mesh::wait::eventually;
use crate::mesh::{Mesh, Upstream, free_address};

const SHORT: &str = "[admin.auth]\nanonymous = \"viewer\"\n[metrics]\nsample_interval = \"100ms\"\nretention = \"5m\"\n";

const LONG: &str = "[admin.auth]\nanonymous = \"viewer\"\n[metrics]\nsample_interval = \"5m\"\nretention = \"5m\"\n";

/// Asks the API as a program on this machine does: a name as host would be taken for a browser's.
async fn ask(mesh: &Mesh, path: &str) -> Value {
    let mut connection = Connection::open(mesh.admin).await;
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).await;
    connection.answer().await.json()
}

fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
    fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_service_tells_how_it_did() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).server(SHORT).start().await;
    for _ in 0..5 {
        mesh.get("/").await;
    }
    let window = eventually("five requests in the window", || async {
        let answer = ask(&mesh, "/v1/metrics/web").await;
        let window = answer["windows"]["1m"].clone();
        (window["requests"] == 5.0).then_some(answer)
    })
    .await;
    let whole = &window["windows"]["1m"];
    assert_eq!((&whole["success_rate"], &whole["availability"]), (&1.0.into(), &1.0.into()));
    assert!(whole["p99_seconds"].as_f64().unwrap() > 0.0, "{window:#}");
    let instances = window["instances"].as_object().unwrap();
    let (_, instance) = instances.iter().next().unwrap();
    assert_eq!(instance["1m"]["requests"], 5.0, "{window:#}");

    let admin = format!("http://{}", mesh.admin);
    let table = command(&["metrics", "web", "--admin", &admin]).await;
    let line = table.stdout.lines().nth(1).unwrap_or_default().to_owned();
    assert!(line.contains("(all)") && line.contains("5.0"), "{table:?}");
    let json = command(&["metrics", "web", "--json", "--admin", &admin]).await;
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["windows"]["1m"]["requests"], 5.0);
    let list = command(&["metrics", "--admin", &admin]).await;
    assert!(list.stdout.lines().any(|line| line.trim() == "web"), "{list:?}");
}

#[tokio::test]
async fn what_is_remembered_changes_with_the_configuration() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::to(&up).server(LONG).start().await;
    let samples = async || ask(&mesh, "/v1/metrics").await["samples"].as_u64();
    mesh.edit_and_wait("sample_interval = \"5m\"", "sample_interval = \"100ms\"").await;
    eventually("further samples", || async { (samples().await > Some(3)).then_some(()) }).await;
}

/// Metrics whose names stand in a text.
fn named(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"\b(proconsul|process)_[a-z0-9_]+").unwrap();
    name.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}

#[tokio::test]
async fn dashboard_and_rules_name_metrics_that_there_are() {
    let trap = "(if (i64.gt_u (local.get $key) (i64.const 1)) (then (call $trap)))";
    let plugin = Balancer { pick: trap, ..Balancer::default() };
    let mesh = Mesh::with(
        r#"
        strategies.mine = { plugin = "mine.wasm", hash_on = "path" }
        checks.alive = { tcp = {}, interval = "100ms" }
        services.web = { strategy = "mine", checks = ["alive"], endpoints = [{ address = "@up" }] }
        routes = [{ service = "web" }]
        "#,
    )
    .at("up", Upstream::echo("up").await)
    .file("mine.wasm", plugin.build())
    .start()
    .await;
    mesh.get("/").await;
    mesh.get("/a/..").await;
    // Families without series are not shown.
    for family in
        ["plugin_traps_total", "plugin_fallbacks_total", "health_checks_total", "http_errors_total"]
    {
        mesh.metric_reaches(&format!("proconsul_{family}"), 1.0).await;
    }
    let there = eventually("a tick of the loops", || async {
        let text = mesh.admin("GET", "/metrics").await.text();
        text.contains("loop=\"control\"").then_some(text)
    })
    .await;
    let there: BTreeSet<&str> = there
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let wanted = named(&(shipped("grafana-dashboard.json") + &shipped("prometheus-rules.yml")));
    let wanted: Vec<_> = wanted.iter().filter(|name| !there.contains(name.as_str())).collect();
    assert!(wanted.is_empty(), "nobody exposes {wanted:?}; there are {there:#?}");
}

#[test]
fn the_shipped_rules_fire_on_what_they_are_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for arguments in [
        &["check", "rules", "config/prometheus-rules.yml"][..],
        &["check", "config", "config/prometheus.yml"],
        &["test", "rules", "tests/prometheus/rules.test.yml"],
    ] {
        let mut promtool = std::process::Command::new("promtool");
        let output = promtool.args(arguments).current_dir(root).output();
        let output = output.unwrap_or_else(|error| panic!("promtool (see `make test`): {error}"));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

struct Prometheus {
    address: std::net::SocketAddr,
    _child: Child,
}

impl Prometheus {
    /// Runs with this configuration, its times shortened.
    fn start(mesh: &Mesh, config: &str, rules: &str) -> Self {
        let address = free_address();
        let config = config
            .replace("127.0.0.1:9900", &mesh.admin.to_string())
            .replace("interval: 10s", "interval: 1s")
            .replace("refresh_interval: 30s", "refresh_interval: 1s");
        mesh.replace("prometheus.yml", config);
        mesh.replace("prometheus-rules.yml", rules.replace("for: 1m", "for: 0s"));
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", mesh.path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", mesh.path("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(fs::File::create(mesh.path("prometheus.log")).unwrap())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("prometheus (see `make test`): {error}"));
        Self { address, _child: child }
    }

    /// The newest answer; `None` until it listens.
    async fn ask(&self, path: &str) -> Option<Value> {
        tokio::net::TcpStream::connect(self.address).await.ok()?;
        let answer: Answer = Connection::open(self.address).await.get(path).await;
        (answer.status == 200).then(|| answer.json()["data"].clone())
    }
}

#[tokio::test]
async fn prometheus_scrapes_finds_what_is_registered_and_raises_the_alarm() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        services.web.endpoints = [{ address = "@up" }]
        services.down = { endpoints = [{ address = "@down" }] }
        routes = [{ service = "down", path_prefix = "/down" }, { service = "web" }]
        [admin.auth]
        anonymous = "admin"
        "#,
    )
    .at("up", &up)
    .at("down", Upstream::refusing())
    .start()
    .await;
    let admin = format!("http://{}", mesh.admin);
    let register = ["instance", "register", "app", "app-1", "--host", "127.0.0.1", "--port", "9"];
    let more = ["--tag", "metrics", "--admin", &admin];
    let registered = command(&[&register[..], &more[..]].concat()).await;
    assert_eq!(registered.code, 0, "{registered:?}");
    let prometheus =
        Prometheus::start(&mesh, &shipped("prometheus.yml"), &shipped("prometheus-rules.yml"));

    eventually("a scrape that went well, and the registered target", || async {
        let data = prometheus.ask("/api/v1/targets").await?;
        let targets = data["activeTargets"].as_array()?;
        let of = |job: &str| targets.iter().find(|target| target["labels"]["job"] == job);
        let registered = of("registered")?;
        assert_eq!(registered["labels"]["service"], "app", "{registered:#}");
        assert_eq!(registered["labels"]["instance"], "app-1", "{registered:#}");
        (of("proconsul")?["health"] == "up").then_some(())
    })
    .await;
    let alert = eventually("the alert of what does not answer", || async {
        assert_eq!(mesh.get("/down").await.status, 502);
        mesh.get("/").await;
        let data = prometheus.ask("/api/v1/alerts").await?;
        let alerts = data["alerts"].as_array()?;
        let is = |alert: &&Value| alert["labels"]["alertname"] == "ProconsulInstanceUnreachable";
        alerts.iter().filter(is).find(|alert| alert["state"] == "firing").cloned()
    })
    .await;
    assert_eq!(alert["labels"]["service"], "down", "{alert:#}");
}

#[tokio::test]
async fn it_is_shown_what_plugins_and_the_store_use() {
    let hook = Upstream::echo("hook").await;
    let mesh = Mesh::with(
        r#"
        checks.json = { plugin = "http-json", config = { pointer = "" }, interval = "100ms" }
        services.web = { checks = ["json"], endpoints = [{ address = "@hook" }] }
        routes = [{ service = "web" }]
        [alerts.channels.hook]
        plugin = "webhook"
        config = { url = "http://@hook/" }
        allow = ["@hook"]
        "#,
    )
    .at("hook", &hook)
    .admin_keys("auth.anonymous = \"admin\"")
    .start()
    .await;
    for _ in 0..130 {
        mesh.get("/").await; // of the picks, one in 64 is timed
    }
    mesh.metric_reaches("proconsul_plugin_cpu_seconds_total{service=\"web\"}", 1e-6).await;
    mesh.metric_reaches("proconsul_plugin_check_cpu_seconds_total{check=\"json\"}", 1e-6).await;
    mesh.metric_reaches("proconsul_plugin_check_memory_bytes{check=\"json\"}", 65536.0).await;
    mesh.metric_reaches("proconsul_store_connections", 1.0).await;

    let channel_memory = "proconsul_plugin_channel_memory_bytes{channel=\"hook\"}";
    let mut connection = Connection::open(mesh.admin).await;
    let path = "/v1/alerts/channels/hook/test";
    connection
        .send(format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"))
        .await;
    assert_eq!(connection.answer().await.status, 200);
    mesh.metric_reaches("proconsul_plugin_channel_cpu_seconds_total{channel=\"hook\"}", 1e-6).await;
    eventually("its memory to be given back", || async {
        (mesh.metric(channel_memory).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn requests_go_uncounted_where_that_is_asked_for_and_drains_know_of_them_all_the_same() {
    let up = Upstream::echo("up").await;
    let held = Upstream::http(|_| std::future::pending()).await;
    let config = "[metrics]\nrequests = false\n[services.held]\nendpoints = [{ address = \"@held\" }]\n\
                  [[routes]]\nservice = \"held\"\npath_prefix = \"/held\"\n\
                  [services.web]\nendpoints = [{ address = \"@up\" }]\n[[routes]]\nservice = \"web\"\n";
    let mesh = Mesh::with(config).at("held", &held).at("up", &up).start().await;
    mesh.get("/").await;
    let mut connection = mesh.connect().await;
    connection.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n").await;
    mesh.metric_reaches("proconsul_http_requests_in_flight", 1.0).await;
    const COUNTED: [&str; 4] = [
        "proconsul_http_requests_total",
        "proconsul_http_response_body_bytes_total",
        "proconsul_instance_requests_total",
        "proconsul_instance_response_seconds_count",
    ];
    for family in COUNTED {
        assert_eq!(mesh.metric(family).await, 0.0, "{family}");
    }
    mesh.edit_and_wait("requests = false", "requests = true").await;
    mesh.get("/").await;
    for family in COUNTED {
        mesh.metric_reaches(family, 1.0).await;
    }
    assert_eq!(mesh.metric("proconsul_instance_requests_total").await, 1.0);
}
