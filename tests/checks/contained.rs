//! Components that misbehave by themselves: they trap, hang, and take what they can get.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proconsul::model::HealthStatus;
use proconsul::plugin::health_check::Fault;

use super::fixture::{Bench, Checker, LONG, shipped, target, words};
use crate::mesh::free_address;

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_trap_in_each_export_is_contained() {
    let bench = Bench::new();
    let refusal = |checker| bench.load(&checker).err().expect("refused").to_string();
    let message = refusal(Checker { configure: "unreachable", ..Checker::default() });
    assert!(message.starts_with("`configure` failed: wasm trap: wasm `unreachable`"), "{message}");
    let message = refusal(Checker { check: "unreachable", ..Checker::default() });
    assert!(message.starts_with("`check` failed: wasm trap: wasm `unreachable`"), "{message}");
    let message = refusal(Checker { configure: "(call $forever)", ..Checker::default() });
    assert!(message.contains("`configure` failed: "), "{message}");
    let message = refusal(Checker { module: "(start $forever)", ..Checker::default() });
    assert!(message.contains("computed for") || message.contains("did not return"), "{message}");

    // One that behaves while it is tried, and not later.
    let checker = bench
        .load(&Checker { check: "(if (call $real) (then unreachable))", ..Checker::default() })
        .unwrap();
    for _ in 0..3 {
        let fault = checker.check(&target(free_address()), LONG).await.unwrap_err();
        assert!(matches!(fault, Fault::Trap(_)), "{fault:?}");
        assert!(
            fault.to_string().starts_with("the plugin failed: wasm trap: wasm `unreachable`"),
            "{fault}"
        );
    }
    assert_eq!(bench.faults("trap"), 3);
    assert_eq!(bench.metric("proconsul_plugin_checks_total{check=\"mine\"}"), 3);
    assert_eq!(checker.idle(), 0, "an instance that trapped is not used again");
}

#[tokio::test]
async fn who_computes_for_ever_is_cut_off_and_delays_nobody() {
    let bench = Bench::new();
    let endless =
        Checker { check: "(if (call $real) (then (call $forever)))", ..Checker::default() };
    let endless = bench.load(&endless).unwrap();
    let begun = Instant::now();
    let fault = endless.check(&target(free_address()), SHORT).await.unwrap_err();
    assert_eq!(fault, Fault::Deadline(SHORT));
    let fault = endless.check(&target(free_address()), LONG).await.unwrap_err();
    assert!(matches!(fault, Fault::Busy(_)), "{fault:?}");
    assert!(begun.elapsed() < LONG, "it had {:?}", begun.elapsed());
    assert_eq!((bench.faults("deadline"), bench.faults("busy")), (1, 1));

    // On the same thread: this one is asleep while the other computes, and wakes in time to be well.
    let good = bench.load(&Checker::default()).unwrap();
    let here = target(free_address());
    let (fault, verdict) = tokio::join!(endless.check(&here, LONG), good.check(&here, SHORT * 10));
    assert!(fault.is_err());
    assert_eq!(words(verdict), "passing");
}

#[tokio::test]
async fn who_waits_for_ever_is_given_up() {
    let bench = Bench::new();
    let sleeping = Checker {
        check: "(if (call $real) (then (call $sleep (i64.const 3600000000000))))",
        ..Checker::default()
    };
    let checker = bench.load(&sleeping).unwrap();
    let fault = checker.check(&target(free_address()), SHORT).await.unwrap_err();
    assert_eq!(fault, Fault::Deadline(SHORT));
    assert_eq!(fault.to_string(), "the plugin did not answer within 200ms");
    assert_eq!(bench.faults("deadline"), 1);
    assert_eq!(checker.idle(), 0);
}

#[tokio::test]
async fn memory_stays_within_its_limit() {
    let bench = Bench::new();
    let greedy =
        Checker { check: "(call $bomb) (call $say_number (memory.size))", ..Checker::default() };
    let checker = bench.load_with(&greedy, |check| check.memory_bytes = 4 << 20).unwrap();
    let verdict = words(checker.check(&target(free_address()), LONG).await);
    let pages: u32 = verdict.strip_prefix("critical: ").unwrap().parse().unwrap();
    assert!((33..=64).contains(&pages), "{pages} pages of 64 KiB");
    let refused = bench.load_with(&greedy, |check| check.memory_bytes = 64 << 10).err().unwrap();
    assert!(refused.to_string().contains("cannot be instantiated"), "{refused}");
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted() {
    let bench = Bench::new();
    let chatty = Checker {
        check: "(local.set $i (i32.const 5000))
            (loop $again
                (call $log (i32.const 2) (i32.const 256) (i32.const 5))
                (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                (br_if $again (local.get $i)))",
        ..Checker::default()
    };
    let checker = bench.load_with(&chatty, |check| check.fresh = true).unwrap();
    assert_eq!(words(checker.check(&target(free_address()), LONG).await), "passing");
    let dropped = bench.metric("proconsul_plugin_check_log_lines_dropped_total");
    assert!(dropped > 9000, "{dropped} of 10000, those of the trial included");
}

#[tokio::test]
async fn a_thousand_checks_are_under_way_at_a_time() {
    let bench = Bench::new();
    let slow = Checker { check: "(call $sleep (i64.const 500000000))", ..Checker::default() };
    let checker = bench.load(&slow).unwrap();
    let here = Arc::new(target(free_address()));
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (checker, here) = (checker.clone(), here.clone());
        checks.spawn(async move { checker.check(&here, LONG).await });
    }
    for result in checks.join_all().await {
        assert_eq!(words(result), "passing");
    }
    assert_eq!(checker.idle(), 64, "the rest is thrown away");
}

#[tokio::test]
async fn an_instance_is_used_again_or_not_as_the_table_says() {
    let counting =
        Checker { check: "(call $say_number (global.get $checks))", ..Checker::default() };
    for (fresh, expected) in [(false, ["1", "2", "3"]), (true, ["1", "1", "1"])] {
        let bench = Bench::new();
        let checker = bench.load_with(&counting, |check| check.fresh = fresh).unwrap();
        for number in expected {
            let verdict = checker.check(&target(free_address()), LONG).await.unwrap();
            assert_eq!((verdict.status, &*verdict.reason), (HealthStatus::Critical, number));
        }
    }
}

#[tokio::test]
async fn who_holds_on_to_something_is_not_used_again() {
    let bench = Bench::new();
    let leaking = Checker {
        check: "(if (call $real) (then (drop (call $socket))))
            (call $say_number (global.get $checks))",
        ..Checker::default()
    };
    let checker = bench.load(&leaking).unwrap();
    for _ in 0..3 {
        assert_eq!(words(checker.check(&target(free_address()), LONG).await), "critical: 1");
    }
}

#[tokio::test]
async fn the_same_component_goes_on_and_another_takes_its_place() {
    let bench = Bench::new();
    let limits = proconsul::config::PluginLimits::default();
    let name = super::fixture::name();
    let check = shipped("tcp-banner", r#"{"starts_with": "220 "}"#);
    let first = bench.host.load(&check, &name, &limits, None).unwrap();
    let again = bench.host.load(&check, &name, &limits, Some(&first)).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    let other = shipped("tcp-banner", r#"{"starts_with": "221 "}"#);
    let other = bench.host.load(&other, &name, &limits, Some(&first)).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
}

#[tokio::test]
async fn what_a_command_line_has_is_there_and_empty() {
    let module = r#"(import "wasi:cli/environment@0.2.12" "get-environment" (func $variables (param i32)))
(import "wasi:cli/environment@0.2.12" "get-arguments" (func $arguments (param i32)))
(import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $folders (param i32)))"#;
    let count = |list| format!("(call ${list} (i32.const 64)) (i32.load (i32.const 68))");
    let [variables, arguments, folders] = ["variables", "arguments", "folders"].map(count);
    let check = format!(
        "{variables} {arguments} {folders} i32.add i32.add local.set $i
         (if (local.get $i) (then unreachable))"
    );
    let bench = Bench::new();
    let more_wit = "import wasi:cli/environment@0.2.12; import wasi:filesystem/preopens@0.2.12;";
    let checker = Checker { module, check: check.leak(), more_wit, ..Checker::default() };
    let checker = bench.load(&checker).unwrap();
    assert_eq!(words(checker.check(&target(free_address()), LONG).await), "passing");
}

#[tokio::test]
async fn one_kind_of_plugin_is_not_taken_for_another() {
    let bench = Bench::new();
    let refusal = bench.shipped("round-robin", "{}").err().expect("refused").to_string();
    assert!(
        refusal.contains("is a built-in strategy, for [strategies]") // as the binary carries it
            || refusal.contains("is a balancer: it exports proconsul:balancer/strategy@0.1.0"),
        "{refusal}"
    );
    let refusal = bench.shipped("tcp-banner", r#"{"starts-with": "220 "}"#).err().unwrap();
    assert!(refusal.to_string().contains("`configure` says: "), "{refusal}");
}
