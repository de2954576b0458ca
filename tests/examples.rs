//! The set-ups in `examples/`: each is started as it is, but for its ports, and does what its README
//! says.

mod mesh;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use http::Request;
use mesh::http2::Http2;
use mesh::tls::Certificate;
use mesh::upstream::body;
use mesh::{Mesh, Upstream, free_address};
use proconsul::cli::plugin::digest;

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Copies a folder of files, and of folders of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
}

/// Starts a set-up with the upstreams that its `cargo run --example backend` would start.
async fn start(name: &str, listener: &str, backends: &[&'static str]) -> Mesh {
    start_after(name, listener, backends, |_| ()).await
}

async fn start_after(
    name: &str,
    listener: &str,
    backends: &[&'static str],
    prepare: impl FnOnce(&Path),
) -> Mesh {
    let directory = tempfile::tempdir().unwrap();
    copy(&folder(name), directory.path());
    prepare(directory.path());
    let config = directory.path().join("proconsul.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    let mut replace = |from: &str, to: String| {
        let from = format!("\"127.0.0.1:{from}\"");
        assert!(text.contains(&from), "{from} is not in\n{text}");
        text = text.replace(&from, &format!("{to:?}"));
    };
    let (at, admin) = (free_address(), free_address());
    replace(listener, at.to_string());
    replace("9900", admin.to_string());
    for &port in backends {
        replace(port, Upstream::echo(port).await.to_string());
    }
    // The process's own files, which an operator has in /run.
    let own = format!("upgrade_socket = {:?}\n", directory.path().join("upgrade.sock"));
    text = match text.contains("[server]\n") {
        true => text.replace("[server]\n", &format!("[server]\n{own}")),
        false => format!("{text}\n[server]\n{own}"),
    };
    fs::write(&config, text).unwrap();
    Mesh::on(directory, at, admin).await
}

/// Which backend answers a request with these header lines.
async fn backend(mesh: &Mesh, headers: &str) -> String {
    let answer = mesh.send(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.header("x-upstream").unwrap()
}

/// How many of `count` requests each backend answers.
async fn counts(mesh: &Mesh, count: u32) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for _ in 0..count {
        *counts.entry(backend(mesh, "").await).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn sticky_sessions() {
    let mesh = start("sticky-sessions", "8080", &["9001", "9002", "9003"]).await;
    let mut homes = BTreeMap::new();
    for session in 0..30 {
        let cookie = format!("Cookie: theme=dark; session=s{session}\r\n");
        let home = backend(&mesh, &cookie).await;
        assert_eq!(backend(&mesh, &cookie).await, home);
        homes.insert(cookie, home);
    }
    let used: BTreeSet<_> = homes.values().collect();
    assert_eq!(used.len(), 3, "{homes:?}");

    // 9002 is taken out: its sessions move, the others stay.
    let gone =
        mesh.config().lines().filter(|line| line.starts_with("address")).nth(3).unwrap().to_owned();
    mesh.edit_and_wait(&gone, &format!("{gone}\nweight = 0")).await;
    for (cookie, home) in &homes {
        let now = backend(&mesh, cookie).await;
        match home.as_str() {
            "9002" => assert_ne!(now, "9002"),
            _ => assert_eq!(&now, home),
        }
    }
    mesh.edit_and_wait(&format!("{gone}\nweight = 0"), &gone).await;
    for (cookie, home) in &homes {
        assert_eq!(&backend(&mesh, cookie).await, home);
    }
}

#[tokio::test]
async fn zones() {
    let mesh = start("zones", "8080", &["9001", "9002", "9003", "9004"]).await;
    let is = |counts: &BTreeMap<String, u32>, expected: &[(&str, u32)]| {
        for (name, share) in expected {
            let came = counts.get(*name).copied().unwrap_or(0);
            assert!(came.abs_diff(*share) <= 2, "{expected:?} expected: {counts:?}");
        }
    };
    is(&counts(&mesh, 100).await, &[("9001", 50), ("9002", 50)]);
    for (id, expected) in [
        ("near-1", &[("9001", 0), ("9002", 71), ("9003", 29)][..]),
        ("near-2", &[("9003", 71), ("9004", 29)]),
        ("region", &[("9004", 100)]),
    ] {
        let line = format!("id = \"{id}\"\n");
        mesh.edit_and_wait(&line, &format!("{line}weight = 0\n")).await;
        is(&counts(&mesh, 100).await, expected);
    }
}

#[tokio::test]
async fn header_routing() {
    let mesh = start("header-routing", "8080", &["9001", "9002"]).await;
    assert_eq!(backend(&mesh, "").await, "9001");
    assert_eq!(backend(&mesh, "X-Version: 2\r\n").await, "9002");
    assert_eq!(backend(&mesh, "Cookie: theme=dark; version=2\r\n").await, "9002");
    assert_eq!(backend(&mesh, "Cookie: version=2\r\n").await, "9002");
    assert_eq!(backend(&mesh, "Cookie: subversion=2\r\n").await, "9001");
    assert_eq!(backend(&mesh, "X-Version: 3\r\n").await, "9001");
    let answer = mesh.send("GET / HTTP/1.1\r\nHost: x\r\nX-Version: 2\r\n\r\n").await;
    assert_eq!(answer.header("x-served-by").as_deref(), Some("next"));
    mesh.metric_reaches("proconsul_http_requests_total{route=\"next-by-header\"}", 2.0).await;
}

fn make_certificate(folder: &Path) {
    let made = Command::new(folder.join("make-certificate")).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn certificate(folder: &Path) -> Certificate {
    let read = |name| fs::read_to_string(folder.join("tls").join(name)).unwrap();
    Certificate { pem: read("site.pem"), key: read("site.key") }
}

#[tokio::test]
async fn tls_http2() {
    let mesh = start_after("tls-http2", "8443", &["9001"], make_certificate).await;
    let first = certificate(mesh.directory.path());
    let stream = first.connect(mesh.listener, "localhost", &["h2"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = Http2::over(stream).await;
    let request = || Request::get("https://localhost/").body(body("")).unwrap();
    let answer = client.whole(request()).await;
    assert_eq!(answer.head.status, 200);
    assert_eq!(answer.head.headers["strict-transport-security"], "max-age=300");

    // HTTP/1.1 for those who want that.
    let stream = first.connect(mesh.listener, "localhost", &["http/1.1"]).await.unwrap();
    let mut old = mesh::Connection::over(stream);
    old.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(old.answer().await.status, 200);

    // A new certificate: new connections have it, the open one goes on.
    make_certificate(mesh.directory.path());
    let second = certificate(mesh.directory.path());
    mesh::eventually("the new certificate", || async {
        second.connect(mesh.listener, "localhost", &["h2"]).await.ok()
    })
    .await;
    assert!(first.connect(mesh.listener, "localhost", &["h2"]).await.is_err());
    assert_eq!(client.whole(request()).await.head.status, 200);

    // Nonsense: said so, and not served.
    fs::write(mesh.path("tls/site.pem"), "nonsense").unwrap();
    mesh.logged(&["site.pem"]).await;
    second.connect(mesh.listener, "localhost", &["h2"]).await.unwrap();
}

#[tokio::test]
async fn own_strategy() {
    let mesh = start("own-strategy", "8080", &["9001", "9002"]).await;
    for _ in 0..5 {
        assert_eq!(backend(&mesh, "").await, "9001");
        assert_eq!(backend(&mesh, "X-Plan: gold\r\n").await, "9002");
        assert_eq!(backend(&mesh, "X-Plan: silver\r\n").await, "9001");
    }
    assert_eq!(mesh.metric("proconsul_plugin_fallbacks_total").await, 0.0);
}

#[test]
fn the_own_strategys_component_is_of_its_source() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = digest::read(&folder("own-strategy").join("manifest.toml")).unwrap();
    let component = fs::read(folder("own-strategy").join("by-plan.wasm")).unwrap();
    let entry = &manifest["by-plan"];
    let sources = digest::sources(checkout, Path::new("examples/own-strategy")).unwrap();
    assert_eq!(entry.sources, sources, "run `make plugins`, then commit examples/own-strategy");
    assert_eq!(entry.component, digest::sha256(&component));
}

#[test]
fn the_own_strategy_keeps_its_scenarios() {
    let tested = Command::new(env!("CARGO_BIN_EXE_proconsul"))
        .args(["plugin", "test", "examples/own-strategy"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tested.status.success(), "{tested:?}");
}

#[test]
fn every_set_up_is_listed() {
    let list = fs::read_to_string(folder("README.md")).unwrap();
    for entry in fs::read_dir(folder("")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            assert!(list.contains(&format!("]({name})")), "{name} is not in examples/README.md");
        }
    }
}
