//! Plugins that pass every check and then misbehave: no request fails, and it can be seen.
//!
//! They behave while a pick's key is below 2, as in the proxy's own trials, and misbehave for
//! requests that have an `x-key`.

use crate::mesh::plugin::Balancer;
use crate::mesh::wait::eventually;
use crate::mesh::{Load, Mesh, Upstream};

/// Does `evil` in each pick that has a key.
fn evil(evil: &str) -> &'static str {
    format!("(if (i64.gt_u (local.get $key) (i64.const 1)) (then {evil}))").leak()
}

fn config(keys: &str) -> String {
    format!(
        r#"
        [strategies.mine]
        plugin = "mine.wasm"
        hash_on = {{ header = "x-key" }}
        {keys}
        [services.web]
        strategy = "mine"
        endpoints = [{{ address = "@a" }}, {{ address = "@b" }}]
        [[routes]]
        service = "web"
        "#
    )
}

async fn mesh_with(plugin: &Balancer, keys: &str) -> Mesh {
    let (a, b) = (Upstream::echo("a").await, Upstream::echo("b").await);
    let builder = Mesh::with(&config(keys)).at("a", a).at("b", b);
    builder.file("mine.wasm", plugin.build()).start().await
}

async fn fallbacks(mesh: &Mesh, reason: &str) -> f64 {
    let labels = format!("service=\"web\",strategy=\"mine\",reason=\"{reason}\"");
    mesh.metric(&format!("proconsul_plugin_fallbacks_total{{{labels}}}")).await
}

const TRIPPED: &str = "proconsul_plugin_tripped{service=\"web\",strategy=\"mine\"}";

#[tokio::test]
async fn who_keeps_failing_rests_and_comes_back() {
    for (what, pick, reason, words) in [
        ("trap", "unreachable", "trap", "unreachable"),
        ("endless loop", "(call $forever)", "deadline", "ran past its deadline"),
        ("deep recursion", "(drop (call $deep (i32.const 0)))", "trap", "stack exhausted"),
        ("memory bomb", "(call $bomb) unreachable", "trap", "unreachable"),
        ("bad pointer", "(return (i32.const -4))", "trap", "pick"),
        ("division by zero", "(drop (i32.div_u (i32.const 1) (i32.const 0)))", "trap", "divide"),
    ] {
        let mesh = mesh_with(
            &Balancer { pick: evil(pick), ..Balancer::default() },
            "probe_after = \"200ms\"",
        )
        .await;
        let poison = Load::start(mesh.listener, 4, "X-Key: 1\r\n");
        mesh.metric_reaches(TRIPPED, 1.0).await;
        poison.goes_on(20).await;
        poison.stop_without_a_failure().await;
        assert!(fallbacks(&mesh, reason).await >= 5.0, "{what}");
        assert!(fallbacks(&mesh, "tripped").await > 0.0, "{what}");
        let traps =
            mesh.metric("proconsul_plugin_traps_total{service=\"web\",export=\"pick\"}").await;
        assert!(traps >= 5.0, "{what}: {traps}");
        let plugin = ["service=\"web\"", "strategy=\"mine\""];
        mesh.logged(&["WARN", "plugin failed", words, "export=\"pick\"", plugin[0], plugin[1]])
            .await;
        mesh.logged(&["ERROR", "plugin tripped", plugin[0], plugin[1]]).await;

        mesh.logged(&["plugin recovered", plugin[0], plugin[1]]).await;
        let before = fallbacks(&mesh, "tripped").await;
        for _ in 0..10 {
            assert_eq!(mesh.get("/").await.header("x-upstream").as_deref(), Some("a"), "{what}");
        }
        assert_eq!(fallbacks(&mesh, "tripped").await, before, "{what}: it picks again");
        assert_eq!(mesh.metric(TRIPPED).await, 0.0, "{what}");
    }
}

#[tokio::test]
async fn who_answers_nonsense_is_not_followed() {
    for (what, pick, reason) in [
        ("an index out of range", "(global.set $answer (i32.const 7))", "out_of_range"),
        ("the largest index", "(global.set $answer (i32.const -1))", "out_of_range"),
        (
            "no answer",
            "(i32.store8 (i32.const 48) (i32.const 0)) (return (i32.const 48))",
            "no_answer",
        ),
    ] {
        let mesh = mesh_with(&Balancer { pick, ..Balancer::default() }, "").await;
        let load = Load::start(mesh.listener, 4, "");
        load.goes_on(100).await;
        let by = load.answered_by();
        load.stop_without_a_failure().await;
        assert!(fallbacks(&mesh, reason).await >= 100.0, "{what}");
        assert_eq!(mesh.metric(TRIPPED).await, 0.0, "{what}: an answer is no failure");
        let shares = (by["a"], by["b"]);
        assert!(shares.0.abs_diff(shares.1) <= 10, "{what}: the fallback spreads {shares:?}");
    }
}

#[tokio::test]
async fn a_bad_file_that_served_is_replaced_by_a_good_one() {
    let bad = Balancer { pick: evil("unreachable"), ..Balancer::default() };
    let mesh = mesh_with(&bad, "probe_after = \"1m\"").await;
    let load = Load::start(mesh.listener, 4, "X-Key: 1\r\n");
    mesh.metric_reaches(TRIPPED, 1.0).await;
    let good = Balancer::default().build();
    let report = mesh.reloaded_by(|| mesh.replace("mine.wasm", &good)).await;
    assert_eq!(report["result"], "applied", "{report:#}");
    assert_eq!(mesh.metric(TRIPPED).await, 0.0);
    load.goes_on(20).await;
    load.answered_by();
    load.goes_on(20).await;
    let by = load.answered_by();
    assert!(by.keys().eq(["a"]), "the plugin picks its first endpoint: {by:?}");
    load.stop_without_a_failure().await;
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted() {
    let plugin = Balancer {
        module: r#"(import "proconsul:host/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#,
        pick: "(call $log (i32.const 2) (i32.const 256) (i32.const 5))",
        ..Balancer::default()
    };
    let mesh = mesh_with(&plugin, "log_lines_per_second = 3").await;
    let load = Load::start(mesh.listener, 4, "");
    load.goes_on(500).await;
    load.stop_without_a_failure().await;
    let dropped = "proconsul_plugin_log_lines_dropped_total{service=\"web\",strategy=\"mine\"}";
    assert!(mesh.metric(dropped).await > 100.0);
    let lines = mesh.log().lines().filter(|line| line.contains("flood")).count();
    assert!((1..100).contains(&lines), "{lines} lines of a plugin that may log 3 a second");
    mesh.logged(&["INFO", "plugin", "flood", "service=\"web\"", "strategy=\"mine\""]).await;
}

#[tokio::test]
async fn memory_stays_within_its_limit() {
    let plugin = Balancer { pick: "(call $bomb)", ..Balancer::default() };
    let mesh = mesh_with(&plugin, "memory_limit = \"4MiB\"").await;
    for _ in 0..20 {
        assert_eq!(mesh.get("/").await.status, 200, "a refused growth is no failure");
    }
    mesh.metric_reaches("proconsul_plugin_slots{service=\"web\"}", 1.0).await;
    let report = mesh.admin("POST", "/-/reload").await;
    assert_eq!(report.status, 200);
    let bytes = mesh.metric("proconsul_plugin_memory_bytes{service=\"web\"}").await;
    let slots = mesh.metric("proconsul_plugin_slots{service=\"web\"}").await;
    assert!(bytes <= slots * f64::from(4 << 20), "{bytes} bytes in {slots} slots");
}

#[tokio::test]
async fn a_trap_in_feedback_counts_as_one_of_pick() {
    let plugin = Balancer {
        world: "balancer-with-feedback",
        module: r#"(func (export "proconsul:balancer/feedback@0.1.0#observe") (param i32 i32 i32) unreachable)"#,
        ..Balancer::default()
    };
    let mesh = mesh_with(&plugin, "probe_after = \"100ms\"").await;
    let load = Load::start(mesh.listener, 4, "");
    let traps =
        "proconsul_plugin_traps_total{service=\"web\",strategy=\"mine\",export=\"observe\"}";
    mesh.metric_reaches(TRIPPED, 1.0).await;
    let traps = mesh.metric(traps).await;
    assert!(traps >= 5.0, "{traps}: the good picks between do not make up for them");
    mesh.logged(&["plugin still fails", "observe", "service=\"web\""]).await;
    load.goes_on(100).await;
    load.stop_without_a_failure().await;
    mesh.logged(&["plugin failed", "export=\"observe\"", "service=\"web\""]).await;
}

#[tokio::test]
async fn a_trap_in_handover_carries_nothing_and_stops_nothing() {
    let snapshot = r#"(func (export "proconsul:balancer/handover@0.1.0#snapshot") (result i32)
        (i32.store (i32.const 80) (i32.const 256)) (i32.store (i32.const 84) (i32.const 5)) (i32.const 80))"#;
    let restores_not = r#"(func (export "proconsul:balancer/handover@0.1.0#restore") (param i32 i32) (result i32) unreachable)"#;
    let snapshots_not = r#"(func (export "proconsul:balancer/handover@0.1.0#snapshot") (result i32) unreachable)
        (func (export "proconsul:balancer/handover@0.1.0#restore") (param i32 i32) (result i32) unreachable)"#;
    let with = |module: &str| Balancer {
        world: "balancer-with-handover",
        module: module.to_owned().leak(),
        ..Balancer::default()
    };
    let mesh = mesh_with(&with(&format!("{snapshot}\n{restores_not}")), "").await;
    let load = Load::start(mesh.listener, 4, "");
    for next in [
        format!("{snapshot}\n{restores_not}\n(func)"),
        snapshots_not.to_owned(),
        String::from(snapshots_not) + "\n(func)",
    ] {
        let plugin = with(&next).build();
        let report = mesh.reloaded_by(|| mesh.replace("mine.wasm", &plugin)).await;
        assert_eq!(report["result"], "applied", "{report:#}");
        load.goes_on(20).await;
    }
    mesh.logged(&["WARN", "plugin starts without its former state", "service=\"web\""]).await;
    mesh.logged(&["WARN", "plugin hands nothing over", "service=\"web\""]).await;
    for (export, traps) in [("restore", 2.0), ("snapshot", 1.0)] {
        let name = format!("proconsul_plugin_traps_total{{service=\"web\",export=\"{export}\"}}");
        assert_eq!(mesh.metric(&name).await, traps, "{export}");
    }
    load.stop_without_a_failure().await;
    assert_eq!(mesh.metric(TRIPPED).await, 0.0);
}

#[tokio::test]
async fn endpoints_that_a_plugin_fails_to_take_reach_it_in_a_new_instance() {
    let plugin = Balancer {
        module: "(global $sets (mut i32) (i32.const 0))",
        set_endpoints: "(global.set $sets (i32.add (global.get $sets) (i32.const 1)))
            (if (i32.gt_u (global.get $sets) (i32.const 1)) (then unreachable))",
        ..Balancer::default()
    };
    let mesh = mesh_with(&plugin, "").await;
    let load = Load::start(mesh.listener, 4, "");
    load.goes_on(50).await;
    let third = Upstream::echo("c").await;
    mesh.edit_and_wait("endpoints = [", &format!("endpoints = [{{ address = \"{third}\" }}, "))
        .await;
    let traps = "proconsul_plugin_traps_total{service=\"web\",export=\"set-endpoints\"}";
    mesh.metric_reaches(traps, 1.0).await;
    mesh.logged(&["plugin failed", "export=\"set-endpoints\"", "service=\"web\""]).await;
    eventually("the plugin to pick the new first endpoint", || async {
        load.answered_by();
        load.goes_on(20).await;
        load.answered_by().keys().eq(["c"]).then_some(())
    })
    .await;
    load.stop_without_a_failure().await;
    assert_eq!(mesh.metric(TRIPPED).await, 0.0);
}
