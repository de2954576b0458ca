//! Plugin files that must not serve: refused by a reload, with traffic as it was.

use std::fs;

use serde_json::Value;

use crate::mesh::plugin::{Balancer, foreign};
use crate::mesh::{Load, Mesh, Upstream};

fn with(change: impl FnOnce(&mut Balancer)) -> Vec<u8> {
    let mut balancer = Balancer::default();
    change(&mut balancer);
    balancer.build()
}

/// Bytes, and words of the refusal.
fn files() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let good = Balancer::default().build();
    let endless = "(call $forever)";
    let deadline: &[&str] = &["ran past its deadline"];
    vec![
        ("loop in configure", with(|b| b.configure = endless), deadline),
        ("loop in set-endpoints", with(|b| b.set_endpoints = endless), deadline),
        ("loop in pick", with(|b| b.pick = endless), deadline),
        ("loop in realloc", with(|b| b.realloc = endless), deadline),
        ("loop at the start", with(|b| b.module = "(start $forever)"), deadline),
        ("trap in configure", with(|b| b.configure = "unreachable"), &["`configure` failed"]),
        ("trap in set-endpoints", with(|b| b.set_endpoints = "unreachable"), &["`set-endpoints` failed"]),
        ("trap in pick", with(|b| b.pick = "unreachable"), &["`pick` failed"]),
        ("trap at the start", with(|b| b.module = "(start $trap)"), &["cannot be instantiated"]),
        ("deep recursion", with(|b| b.configure = "(drop (call $deep (i32.const 0)))"), &["stack exhausted"]),
        ("memory bomb", with(|b| b.configure = "(call $bomb) unreachable"), &["`configure` failed"]),
        ("a declined configuration",
         // result::err with a string in the data above
         with(|b| b.configure = "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const 256)) (i32.store (i32.const 72) (i32.const 5)) (return (i32.const 64))"),
         &["`configure` says: flood"]),
        ("a message out of its memory",
         with(|b| b.configure = "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const -8)) (i32.store (i32.const 72) (i32.const 99)) (return (i32.const 64))"),
         &["`configure` failed"]),
        ("an answer out of its memory", with(|b| b.pick = "(return (i32.const -4))"), &["`pick` failed"]),
        ("a truncated file", good[..good.len() / 2].to_vec(), &["truncated"]),
        ("a cut-off header", good[..6].to_vec(), &["cut off"]),
        ("an empty file", Vec::new(), &["empty"]),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), &["core WebAssembly module", "plugin build"]),
        ("a text file", b"(component)".to_vec(), &["is not WebAssembly"]),
        ("a huge file", vec![0; 100 << 20], &["has 104857600 bytes", "plugins.file_limit"]),
        ("another version", foreign(
            r#"(module (func (export "proconsul:balancer/strategy@0.2.0#pick") (param i64) (result i32) unreachable))"#,
            "package proconsul:balancer@0.2.0; interface strategy { pick: func(key: u64) -> u32; } world w { export strategy; }",
            "w"), &["exports proconsul:balancer/strategy@0.2.0", "this proxy speaks 0.1"]),
        ("another world", foreign(
            r#"(module (func (export "a:b/c@1.0.0#f")))"#,
            "package a:b@1.0.0; interface c { f: func(); } world w { export c; }",
            "w"), &["does not export proconsul:balancer/strategy", "a:b/c@1.0.0"]),
        ("another signature", foreign(
            r#"(module (func (export "proconsul:balancer/strategy@0.1.0#pick") (param i32) (result i32) unreachable))"#,
            "package proconsul:balancer@0.1.0; interface strategy { pick: func(key: u32) -> u32; } world w { export strategy; }",
            "w"), &["another type than the contract's"]),
        ("a forbidden import", foreign(
            r#"(module (import "wasi:cli/exit@0.2.0" "exit" (func (param i32))) (func (export "proconsul:balancer/strategy@0.1.0#pick")))"#,
            "package proconsul:balancer@0.1.0; interface strategy { pick: func(); } world w { import wasi:cli/exit@0.2.0; export strategy; }
             package wasi:cli@0.2.0 { interface exit { exit: func(code: u32); } }",
            "w"), &["imports wasi:cli/exit@0.2.0, which a balancer has not"]),
    ]
}

#[tokio::test]
async fn a_plugin_that_cannot_serve_is_refused_and_nobody_notices() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        [strategies.mine]
        plugin = "mine.wasm"
        setup_deadline = "100ms"
        [services.web]
        strategy = "mine"
        endpoints = [{ address = "@up" }]
        [[routes]]
        service = "web"
        "#,
    )
    .at("up", &up)
    .file("mine.wasm", Balancer::default().build())
    .start()
    .await;
    let load = Load::start(mesh.listener, 4, "");
    for (number, (what, bytes, words)) in files().into_iter().enumerate() {
        let report = mesh.reloaded_by(|| mesh.replace("mine.wasm", &bytes)).await;
        assert_eq!(report["result"], "refused", "{what}: {report:#}");
        let reasons = report["reasons"].to_string();
        let has_all = words.iter().all(|word| reasons.contains(word));
        assert!(has_all, "{what}: {words:?} not in {reasons}");
        for word in ["mine.wasm", "strategies.mine", "service `web`"] {
            assert!(reasons.contains(word), "{what}: {reasons}");
        }
        let refused = "proconsul_config_reloads_total{result=\"refused\"}";
        assert_eq!(mesh.metric(refused).await, (number + 1) as f64, "{what}");
        mesh.logged(&["ERROR", "configuration refused", words[0]]).await;
        load.goes_on(1).await;
    }
    assert_eq!(mesh.metric("proconsul_config_last_reload_successful").await, 0.0);
    // One may miss its deadline while a busy machine runs something else, but no more.
    let fallbacks = mesh.metric("proconsul_plugin_fallbacks_total").await;
    assert!(fallbacks <= 3.0, "{fallbacks} picks were not the former plugin's");

    let second = with(|balancer| balancer.module = "(func)");
    let report = mesh.reloaded_by(|| mesh.replace("mine.wasm", &second)).await;
    assert_eq!((&report["result"], &report["reasons"]), (&"applied".into(), &Value::Array(vec![])));
    load.goes_on(10).await;
    load.stop_without_a_failure().await;
    assert_eq!(mesh.metric("proconsul_config_last_reload_successful").await, 1.0);
}

#[tokio::test]
async fn a_plugin_file_may_be_missing_for_a_while() {
    let up = Upstream::echo("up").await;
    let mesh = Mesh::with(
        r#"
        strategies.mine.plugin = "mine.wasm"
        services.web = { strategy = "mine", endpoints = [{ address = "@up" }] }
        routes = [{ service = "web" }]
        "#,
    )
    .at("up", &up)
    .file("mine.wasm", Balancer::default().build())
    .start()
    .await;
    let plugin = mesh.path("mine.wasm");
    let report = mesh.reloaded_by(|| fs::remove_file(&plugin).unwrap()).await;
    assert_eq!(report["result"], "refused");
    assert!(report["reasons"].to_string().contains("is no file"), "{report:#}");
    assert_eq!(mesh.get("/").await.status, 200);
    let report =
        mesh.reloaded_by(|| fs::write(&plugin, Balancer::default().build()).unwrap()).await;
    assert_eq!(report["result"], "applied", "{report:#}");
}
