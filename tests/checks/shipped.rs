//! The components that are shipped, against what they are for: real servers where there are some, and what such
//! servers say in hard times.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proconsul::model::PluginSource;
use proconsul::plugin::health_check::HealthChecker;

use super::fixture::{Bench, LONG, shipped, target, target_named, words};
use super::servers::Server;
use crate::mesh::tls::Certificate;
use crate::mesh::{Upstream, eventually, free_address, upstream};

async fn verdict(checker: &HealthChecker, address: SocketAddr) -> String {
    words(checker.check(&target(address), LONG).await)
}

#[tokio::test]
async fn http_json_judges_a_value() {
    let bench = Bench::new();
    let config = r#"{"path": "/health", "pointer": "/db/state", "passing": {"equals": "up"}, "warning": {"equals": "slow"}}"#;
    let checker = bench.shipped("http-json", config).unwrap();
    for (document, expected) in [
        (r#"{"db": {"state": "up"}}"#, "passing"),
        (r#"{"db": {"state": "slow"}}"#, r#"warning: /db/state is "slow""#),
        (r#"{"db": {"state": "down"}}"#, r#"critical: /db/state is "down""#),
        ("{}", "critical: /db/state is not there"),
        ("<html>", "critical: /health gives no JSON"),
    ] {
        let server = Server::json("200 OK", document).await;
        assert_eq!(verdict(&checker, server.address).await, expected);
    }
    let server = Server::json("503 Service Unavailable", "{}").await;
    assert_eq!(verdict(&checker, server.address).await, "critical: status 503, expected 200-299");
    let nobody = verdict(&checker, free_address()).await;
    assert_eq!(nobody, "critical: /health: connection refused");
    assert_eq!(checker.idle(), 1, "one instance made them all");
    assert_eq!(bench.denied(), 0);
}

#[tokio::test]
async fn http_json_speaks_to_the_vetted_address_of_a_name() {
    let server = Server::json("200 OK", "{}").await;
    let bench = Bench::with_names(&[("web.test", &["127.0.0.1".parse().unwrap()])]);
    let checker = bench.shipped("http-json", "{}").unwrap();
    let named = target_named("web.test", server.address);
    assert_eq!(words(checker.check(&named, LONG).await), "passing");
    assert_eq!(bench.resolver.asked.load(Ordering::SeqCst), 0, "no second answer can count");
}

#[tokio::test]
async fn http_json_by_tls_believes_the_systems_authorities_alone() {
    let ip = free_address().ip().to_string();
    let certificate = Certificate::of(&ip);
    let server = Upstream::serve(Some(certificate.acceptor(&["http/1.1"])), |_| async {
        hyper::Response::new(upstream::body("{}"))
    })
    .await;
    assert_eq!(server.address.ip().to_string(), ip);
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, &certificate.pem).unwrap();
    // Authorities are the process's, so each of these is a process of its own.
    let check = async |trusting: bool| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_proconsul"));
        let plugin = match shipped("http-json", "{}").source {
            PluginSource::File(path) => path.display().to_string(),
            PluginSource::BuiltIn(name) => name,
        };
        let against = server.address.to_string();
        command.args(["plugin", "test", &plugin, "--against", &against, "--config", "tls = true"]);
        if trusting {
            command.env("SSL_CERT_FILE", &authority);
        }
        let output = command.output().await.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = check(true).await;
    assert!(code == Some(0) && said.starts_with("passing"), "{said}");
    let (code, said) = check(false).await;
    assert!(code == Some(1) && said.starts_with("critical: /health: "), "{said}");
}

#[tokio::test]
async fn a_response_that_never_ends_is_no_answer() {
    let sent = Arc::new(AtomicUsize::new(0));
    let server = Server::floods("HTTP/1.1 200 OK\r\n\r\n", sent.clone()).await;
    let bench = Bench::new();
    let checker = bench.shipped("http-json", "{}").unwrap();
    let expected = "critical: /health: the answer is too large";
    assert_eq!(verdict(&checker, server.address).await, expected);
    let headers = Server::floods("HTTP/1.1 200 OK\r\nx: ", sent.clone()).await;
    assert_eq!(verdict(&checker, headers.address).await, expected);
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 16 << 20, "{sent} bytes");
}

#[tokio::test]
async fn a_server_that_is_silent_is_told_from_a_plugin_that_hangs() {
    let server = Server::says("").await;
    let bench = Bench::new();
    for (plugin, config) in [
        ("http-json", "{}"),
        ("redis-ping", "{}"),
        ("postgres-ready", "{}"),
        ("tcp-banner", r#"{"contains": "x"}"#),
    ] {
        let checker = bench.shipped(plugin, config).unwrap();
        let result = checker.check(&target(server.address), Duration::from_secs(1)).await;
        let said = words(result);
        assert!(said.ends_with("no answer in time"), "{plugin}: {said}");
        assert!(said.starts_with("critical: "), "{plugin}: {said}");
    }
}

#[tokio::test]
async fn tcp_banner_listens() {
    let bench = Bench::new();
    let checker = bench.shipped("tcp-banner", r#"{"starts_with": "220 ", "contains": "ESMTP"}"#);
    let checker = checker.unwrap();
    let good = Server::says("220 mail.test ESMTP\r\n").await;
    assert_eq!(verdict(&checker, good.address).await, "passing");
    let bad = Server::says("421 too busy\r\n").await;
    assert_eq!(verdict(&checker, bad.address).await, r#"critical: it says "421 too busy\r\n""#);
    let refused = bench.shipped("tcp-banner", "{}").err().unwrap().to_string();
    assert!(refused.contains("what should the server say?"), "{refused}");
}

/// A server process, killed with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command) -> Process {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Process(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

/// A program, or what to type where it is missing.
fn program(name: &str, places: &[PathBuf], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let everywhere = std::env::split_paths(&path).chain(places.iter().cloned());
    let found = everywhere.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("`{name}` is missing: `apt-get install {package}`, then again"))
}

fn redis(address: SocketAddr, folder: &Path, more: &[&str]) -> Process {
    let server = program("redis-server", &[], "redis-server");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(server);
    command.args(["--bind", &ip, "--port", &port, "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder).args(more);
    start(&mut command)
}

#[tokio::test]
async fn redis_ping_asks_a_redis() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let anyone = bench.shipped("redis-ping", "{}").unwrap();
    let open = free_address();
    let _open = redis(open, folder.path(), &[]);
    eventually("Redis to answer", || async {
        (verdict(&anyone, open).await == "passing").then_some(())
    })
    .await;

    let locked = free_address();
    let _locked = redis(locked, folder.path(), &["--requirepass", "secret"]);
    eventually("Redis to ask for a password", || async {
        verdict(&anyone, locked).await.starts_with("critical: NOAUTH").then_some(())
    })
    .await;
    let known = bench.shipped("redis-ping", r#"{"password": "secret"}"#).unwrap();
    assert_eq!(verdict(&known, locked).await, "passing");
    let wrong = bench.shipped("redis-ping", r#"{"password": "guess"}"#).unwrap();
    let said = verdict(&wrong, locked).await;
    assert!(said.starts_with("critical: WRONGPASS"), "{said}");

    let loading = Server::answers("-LOADING Redis is loading the dataset in memory\r\n").await;
    let said = verdict(&anyone, loading.address).await;
    assert_eq!(said, "warning: LOADING Redis is loading the dataset in memory");
}

/// PostgreSQL's programs, of whichever version Debian has.
fn postgres_programs() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect()
}

/// A command, as somebody else where this is root: PostgreSQL does not run as that.
fn unprivileged(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
    command
}

#[tokio::test]
async fn postgres_ready_asks_a_postgres() {
    let bench = Bench::new();
    let checker = bench.shipped("postgres-ready", "{}").unwrap();
    let folder = tempfile::tempdir().unwrap();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder.path(), Some(65534), Some(65534)).unwrap();
    }
    let data = folder.path().join("data");
    let initdb = program("initdb", &postgres_programs(), "postgresql");
    let made = unprivileged(&initdb)
        .args(["--auth=scram-sha-256", "--username=owner", "--no-sync", "--pgdata"])
        .arg(&data)
        .arg("--pwfile=/etc/hostname") // any text will do: nobody logs in
        .current_dir("/")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

    let address = free_address();
    let server = initdb.with_file_name("postgres");
    let mut command = unprivileged(&server);
    command.current_dir("/").arg("-D").arg(&data).args(["-c", "fsync=off"]);
    command.args(["-c", &format!("listen_addresses={}", address.ip())]);
    command.args(["-c", &format!("port={}", address.port())]);
    command.args(["-c", &format!("unix_socket_directories={}", folder.path().display())]);
    let _postgres = start(&mut command);
    eventually("PostgreSQL to take connections", || async {
        (verdict(&checker, address).await == "passing").then_some(())
    })
    .await;
    assert_eq!(bench.metric("proconsul_plugin_check_faults_total"), 0);

    let starting = "SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0";
    let length = char::from(4 + starting.len() as u8);
    let starting = Server::answers(format!("E\0\0\0{length}{starting}")).await;
    let said = verdict(&checker, starting.address).await;
    assert_eq!(said, "critical: the database system is starting up");
    let said = verdict(&checker, Server::answers("HTTP/1.1 400 Bad Request\r\n\r\n").await.address);
    assert_eq!(said.await, "critical: it does not speak as PostgreSQL does");
}
