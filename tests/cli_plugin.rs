//! `proconsul plugin …` as an author types it: the real binary, a crate of one's own, and every
//! shipped strategy's scenarios.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proconsul::plugin::Kind;
use serde_json::Value;

const REFUSED: i32 = 3;

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn plugin(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proconsul"))
        .arg("plugin")
        .args(arguments)
        .current_dir(folder)
        // Not where these tests are built, which the cargo that runs them may have locked.
        .env("CARGO_TARGET_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins"))
        .output()
        .expect("the binary runs")
}

/// Runs, and gives what went to standard output.
fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = plugin(folder, arguments);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{arguments:?}: {}\n{out}\n{err}", output.status);
    out
}

/// Runs, and gives what went to standard error.
fn fails(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = plugin(folder, arguments);
    let (out, err) = texts(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}:\n{out}\n{err}");
    err
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A shipped strategy, as the proxy knows it or freshly built.
fn shipped(name: &str) -> String {
    match std::env::var("PROCONSUL_PLUGIN_DIR") {
        Ok(folder) => format!("{folder}/{name}.wasm"),
        Err(_) => name.to_owned(),
    }
}

#[test]
fn from_nothing_to_a_measured_component() {
    let parent = tempfile::tempdir().unwrap();
    let sdk = checkout().join("plugins/sdk");
    succeeds(parent.path(), &["new", "my-own", "--sdk", sdk.to_str().unwrap()]);
    let folder = parent.path().join("my-own");
    // Versions that this machine has already, so that the test needs no network.
    std::fs::copy(checkout().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    let message = fails(parent.path(), &["test", "my-own"], 1);
    assert!(message.contains("has no component; `proconsul plugin build my-own`"), "{message}");

    succeeds(&folder, &["build"]);
    assert!(folder.join("my-own.wasm").is_file());

    let table = succeeds(&folder, &["test", "."]);
    assert!(table.contains("spills-over.toml") && table.contains("ok"), "{table}");

    let facts: Value =
        serde_json::from_str(&succeeds(parent.path(), &["inspect", "my-own", "--json"])).unwrap();
    assert_eq!(facts["fits"], true);
    let imports = facts["imports"].as_array().unwrap();
    let allowed =
        |import: &Value| import["name"].as_str().unwrap().starts_with("proconsul:balancer/");
    assert!(imports.iter().all(allowed), "{imports:?}");

    // A busy machine must not cut a pick short.
    let arguments = [
        &["bench", "my-own", "--endpoints", "3", "--config", "max_active = 4"][..],
        &["--pick-deadline", "5s", "--json"],
    ]
    .concat();
    let bench: Value = serde_json::from_str(&succeeds(parent.path(), &arguments)).unwrap();
    assert_eq!(bench["sizes"][0]["endpoints"], 3);
    assert_eq!(bench["sizes"][0]["without_answer"], serde_json::json!({}));
    assert!(bench["sizes"][0]["pick_ns"].as_f64().unwrap() > 0.0);

    let message = fails(parent.path(), &["bench", "my-own", "--config", "max_activ = 4"], REFUSED);
    assert!(message.contains("max_activ"), "{message}");
}

#[test]
fn from_nothing_to_a_health_check() {
    let parent = tempfile::tempdir().unwrap();
    let sdk = checkout().join("plugins/sdk");
    let kind = ["new", "--kind", "health-check", "my-check", "--sdk", sdk.to_str().unwrap()];
    let message = succeeds(parent.path(), &kind);
    assert!(message.contains("a new health check, to change to your own"), "{message}");
    let folder = parent.path().join("my-check");
    // Versions that this machine has already, so that the test needs no network.
    std::fs::copy(checkout().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();

    succeeds(&folder, &["build"]);
    let table = succeeds(&folder, &["test", "."]);
    assert!(table.contains("answers.toml") && table.contains("ok"), "{table}");

    let facts: Value =
        serde_json::from_str(&succeeds(parent.path(), &["inspect", "my-check", "--json"])).unwrap();
    assert_eq!((&facts["fits"], &facts["kind"]), (&Value::from(true), &"health check".into()));
    assert!(facts["reaches"].as_str().unwrap().starts_with("the instance under check"), "{facts}");
    let imports = facts["imports"].to_string();
    assert!(imports.contains("wasi:http/outgoing-handler"), "{imports}");
    for absent in ["wasi:filesystem", "wasi:cli", "udp", "proconsul:balancer"] {
        assert!(!imports.contains(absent), "{absent} in {imports}");
    }

    // A port that nobody listens on.
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap().to_string();
    drop(reserved);
    let output = plugin(parent.path(), &["test", "my-check", "--against", &address, "--json"]);
    let came: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &came["status"]), (Some(1), &"critical".into()), "{came}");
    assert_eq!(came["reason"], "/: connection refused");

    let message = fails(parent.path(), &["bench", "my-check"], 1);
    assert!(message.contains("is a health check, and this measures picks"), "{message}");
    let config = ["test", "my-check", "--against", &address, "--config", "paths = '/'"];
    let message = fails(parent.path(), &config, REFUSED);
    assert!(message.contains("`configure` says: ") && message.contains("paths"), "{message}");
}

#[test]
fn a_failed_check_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = "config = { starts_with = '220 ' }\n\n\
         [[step]]\nabout = 'it greets'\nserver = { says = '421 no' }\nexpect = 'passing'\n";
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    let message = fails(folder.path(), &["test", &shipped("tcp-banner"), "mine.toml"], 1);
    assert_eq!(
        message.trim(),
        "mine.toml:3: step 1 (it greets)\n    expected passing\n    came     critical: it says \"421 no\""
    );
}

#[test]
fn every_shipped_plugin_keeps_its_scenarios() {
    // What an alert channel does needs a receiver: its own tests have one.
    for kind in [Kind::Balancer, Kind::HealthCheck] {
        proconsul::plugin::builtin::names(kind).for_each(keeps_its_scenarios);
    }
}

fn keeps_its_scenarios(name: &str) {
    let scenarios = checkout().join("plugins").join(name).join("scenarios");
    succeeds(checkout(), &["test", &shipped(name), scenarios.to_str().unwrap()]);
}

/// Plays one scenario for round-robin, and gives what it says of it.
fn play(text: &str, code: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file: PathBuf = folder.path().join("mine.toml");
    std::fs::write(&file, text).unwrap();
    let message = fails(folder.path(), &["test", "round-robin", "mine.toml"], code);
    message.trim().to_owned()
}

#[test]
fn a_failed_step_is_told_with_its_place() {
    let message = play(
        "endpoints = [{ id = 'a' }, { id = 'b' }]\n\n\
         [[step]]\npick = { times = 4 }\nexpect = { a = 2, b = 2 }\n\n\
         [[step]]\nabout = 'a alone'\npick = { times = 4 }\nexpect = { a = 4 }\n",
        1,
    );
    assert_eq!(
        message,
        "mine.toml:7: step 2 (a alone)\n    expected a = 4\n    came     a = 2 of 4"
    );
}

#[test]
fn a_file_that_is_none_is_told_with_its_line() {
    let message = play("endpoints = [{ id = 'a' }]\n[[step]]\npicks = 3\n", 1);
    assert!(message.starts_with("mine.toml:3:\n"), "{message}");
    assert!(message.contains("unknown field `picks`"), "{message}");

    let message = play("endpoints = [{ id = 'a' }]\n[[step]]\nremove = ['b']\n", 1);
    assert!(message.contains("there is no endpoint `b`; there are a"), "{message}");

    let message = play("endpoints = [{ id = 'a' }]\nconfig = { x = 1 }\n", 1);
    assert!(message.contains("`configure` says: "), "{message}");

    let message = play("endpoints = [{ id = 'a' }]\nrefused = 'x'\n", 1);
    assert!(message.contains("the plugin took `config`"), "{message}");
}

#[test]
fn a_component_that_cannot_serve_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(folder.path().join("s.toml"), "endpoints = [{ id = 'a' }]").unwrap();
    for arguments in [&["test", "module.wasm", "s.toml"][..], &["bench", "module.wasm"]] {
        let message = fails(folder.path(), arguments, REFUSED);
        assert!(message.contains("module.wasm is a core WebAssembly module"), "{message}");
    }
    let message = fails(folder.path(), &["test", "robin", "s.toml"], REFUSED);
    assert!(message.contains("no built-in strategy `robin`"), "{message}");
}
