//! The command line: what people read, and the exit codes that scripts trust.

use crate::mesh::plugin::Balancer;
use crate::mesh::{Mesh, Upstream, command, free_address};

#[tokio::test]
async fn check_says_whether_a_configuration_would_serve() {
    let up = Upstream::echo("up").await;
    let good = Mesh::to(&up);
    let path = good.write();
    let output = command(&["check", path.to_str().unwrap()]).await;
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{output:?}");
    assert!(output.stdout.contains("proconsul.toml: good (1 services, 1 routes)"), "{output:?}");
    let output = command(&["check", "--json", path.to_str().unwrap()]).await;
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.code, &json["good"]), (0, &true.into()));
    assert_eq!(up.connections(), 0, "a check bothers nobody");
}

#[tokio::test]
async fn check_reports_every_mistake_at_once() {
    let bad = Mesh::with(
        r#"
        services.web.endpionts = []
        services.api = { endpoints = [{ address = "127.0.0.1:1" }], strategy = "no-such" }
        routes = [{ service = "wep" }]
        "#,
    );
    let path = bad.write();
    let output = command(&["check", path.to_str().unwrap()]).await;
    assert_eq!((output.code, output.stdout.as_str()), (3, ""), "{output:?}");
    for part in ["proconsul.toml:2:", "endpionts", "no-such", "wep"] {
        assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
    }
    let output = command(&["check", "--json", path.to_str().unwrap()]).await;
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.code, &json["good"]), (3, &false.into()));
    assert!(json["problems"].as_array().unwrap().len() >= 3, "{json:#}");
}

#[tokio::test]
async fn check_tries_the_plugins_too() {
    let up = Upstream::echo("up").await;
    let builder = Mesh::with(
        r#"
        strategies.mine.plugin = "mine.wasm"
        services.web = { strategy = "mine", endpoints = [{ address = "@up" }] }
        routes = [{ service = "web" }]
        "#,
    )
    .at("up", up);
    let trap = Balancer { pick: "unreachable", ..Balancer::default() };
    let builder = builder.file("mine.wasm", trap.build());
    let path = builder.write();
    let output = command(&["check", path.to_str().unwrap()]).await;
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.stderr.contains("`pick` failed"), "{output:?}");
    let output = command(&["run", path.to_str().unwrap()]).await;
    assert_eq!(output.code, 3, "a process does not start with what a reload refuses: {output:?}");
}

#[tokio::test]
async fn a_missing_file_and_a_wrong_flag_have_codes_of_their_own() {
    for (arguments, code, says) in [
        (&["check", "/nowhere/proconsul.toml"][..], 3, "/nowhere/proconsul.toml"),
        (&["run", "/nowhere/proconsul.toml"], 3, "/nowhere/proconsul.toml"),
        (&["run", "--no-such-flag"], 2, "--no-such-flag"),
        (&["no-such-command"], 2, "no-such-command"),
        (&[], 2, "Usage"),
    ] {
        let output = command(arguments).await;
        assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{arguments:?} {output:?}");
        assert!(output.stderr.contains(says), "{output:?}");
    }
}

#[tokio::test]
async fn help_and_schema_go_to_stdout() {
    for command_name in ["run", "check", "demo", "schema", "plugin"] {
        let output = command(&[command_name, "--help"]).await;
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{command_name}");
        assert!(output.stdout.contains("Usage: proconsul"), "{command_name}: {}", output.stdout);
        let help = command(&["--help"]).await.stdout;
        assert!(help.contains(command_name) && help.contains("Exit codes"), "{help}");
    }
    let schema = command(&["schema"]).await;
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    assert!(schema["$schema"].is_string());
    assert!(schema["properties"]["services"].is_object(), "{schema:#}");
    let version = command(&["--version"]).await;
    assert_eq!(version.stdout, format!("proconsul {}\n", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_plugin_can_be_looked_at() {
    let builder = Mesh::with("").file("mine.wasm", Balancer::default().build());
    builder.write();
    let file = builder.path("mine.wasm");
    let output = command(&["plugin", "inspect", file.to_str().unwrap()]).await;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("proconsul:balancer/strategy@0.1.0"), "{}", output.stdout);
    std::fs::write(&file, "text").unwrap();
    let output = command(&["plugin", "inspect", file.to_str().unwrap()]).await;
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.stderr.contains("is not WebAssembly"), "{output:?}");
}

#[tokio::test]
async fn the_demo_serves() {
    let (listen, admin) = (free_address().to_string(), free_address().to_string());
    let output = command(&["demo", "--seconds", "2", "--listen", &listen, "--admin", &admin]).await;
    assert_eq!(output.code, 0, "{output:?}");
    for part in ["red", "green", "blue", "failed 0", &listen, &admin, "proconsul.toml"] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    let last = output.stdout.lines().rfind(|line| line.contains("failed")).unwrap();
    assert!(!last.contains("  0 %"), "each backend gets its share: {last}");
}
