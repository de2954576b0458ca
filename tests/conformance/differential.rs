//! The same operations, in random order, for a component and its twin.

use proconsul::balance::EndpointSet;
use proptest::prelude::*;

use super::pair::{Subject, equals, pick, set_of};
use super::twin::{Loads, twin};

/// One thing that happens to both.
#[derive(Debug, Clone)]
enum Step {
    Set(Vec<(u16, u16)>),
    Pick {
        key: u64,
        attempt: u32,
    },
    /// The proxy learns about an endpoint.
    Learn {
        place: prop::sample::Index,
        active: u32,
        latency_us: u32,
        cpu: f32,
        memory: f32,
    },
    /// Averages fade.
    Wait {
        ms: u32,
    },
}

fn endpoints() -> impl Strategy<Value = Vec<(u16, u16)>> {
    let weight = prop_oneof![4 => 1u16..4, 2 => 1u16..1000, 1 => Just(65_535)];
    prop::collection::vec((0u16..60, weight), 1..40)
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![Just(0), any::<u64>(), 1u64..20];
    let attempt = prop_oneof![9 => Just(0), 2 => 0u32..8, 1 => any::<u32>()];
    let active = prop_oneof![3 => 0u32..20, 1 => 0u32..400];
    let latency_us = prop_oneof![1 => Just(0), 3 => any::<u32>(), 3 => 1u32..1_000_000];
    prop_oneof![
        1 => endpoints().prop_map(Step::Set),
        14 => (key, attempt).prop_map(|(key, attempt)| Step::Pick { key, attempt }),
        5 => (any::<prop::sample::Index>(), active, latency_us, any::<f32>(), 0.0f32..1.0).prop_map(
            |(place, active, latency_us, cpu, memory)| Step::Learn {
                place, active, latency_us, cpu, memory,
            }
        ),
        1 => (0u32..30_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// Plays the steps to both; they must give the same answers.
fn check(
    subject: &Subject,
    strategy: &str,
    config: &str,
    seed: u64,
    first: &[(u16, u16)],
    steps: &[Step],
) {
    let mut set = set_of(first, &EndpointSet::default());
    let (mut component, drawn) = subject.start(seed, &set);
    let mut native = twin(strategy, config, drawn);
    native.set_endpoints(&set);
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Set(list) => {
                set = set_of(list, &set);
                component.set_endpoints(set.clone()).unwrap();
                native.set_endpoints(&set);
            }
            &Step::Pick { key, attempt } => {
                let loads = Loads { set: &set, clock: &subject.clock };
                let expected = native.pick(key, attempt, &loads);
                assert_eq!(pick(&mut component, key, attempt), expected, "step {at}: {step:?}");
            }
            Step::Learn { place, active, latency_us, cpu, memory } => {
                let state = &set.members()[place.index(set.members().len())].state;
                (state.active()..*active).for_each(|_| state.enter());
                (*active..state.active()).for_each(|_| state.leave());
                state.latency().set(*latency_us, subject.clock.now_ms());
                state.report(Some(*cpu), Some(*memory));
            }
            Step::Wait { ms } => subject.clock.set_ms(subject.clock.now_ms().wrapping_add(*ms)),
        }
    }
}

/// Random runs, and one with very many endpoints.
fn differential(strategy: &str, config: &str) {
    let subject = Subject::new(strategy, config);
    let runs = (any::<u64>(), endpoints(), prop::collection::vec(step(), 1..120));
    let config_of_runs =
        ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() };
    proptest::test_runner::TestRunner::new(config_of_runs)
        .run(&runs, |(seed, first, steps)| {
            check(&subject, strategy, config, seed, &first, &steps);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{strategy} {config}: {failure}"));

    let many: Vec<_> =
        equals(1000).members().iter().zip(0..).map(|(_, n)| (n, 1 + n % 7)).collect();
    let picks: Vec<_> =
        (0..2000).map(|key| Step::Pick { key, attempt: u32::from(key % 9 == 0) }).collect();
    check(&subject, strategy, config, 3, &many, &picks);
}

macro_rules! differential {
    ($($test:ident: $strategy:literal, $($config:literal),+;)+) => {$(
        #[test]
        fn $test() {
            $(differential($strategy, $config);)+
        }
    )+};
}

differential! {
    consistent_hash: "consistent-hash", "{}", r#"{"virtual_nodes":20,"load_factor":0.0}"#;
    geographic: "geographic", "{}", r#"{"min_share":0.35,"demand":400}"#;
    ip_hash: "ip-hash", "{}";
    least_connections: "least-connections", "{}", r#"{"exact_up_to":9}"#;
    least_load: "least-load", "{}", r#"{"cpu":1.5,"memory":0.0,"exact_up_to":16}"#;
    maglev: "maglev", "{}", r#"{"table_size":251}"#;
    random: "random", "{}";
    response_time: "response-time", "{}";
    round_robin: "round-robin", "{}";
    weighted_random: "weighted-random", "{}";
    weighted_round_robin: "weighted-round-robin", "{}";
}

#[test]
fn every_shipped_strategy_has_a_twin() {
    for name in proconsul::plugin::builtin::names(proconsul::plugin::Kind::Balancer) {
        twin(name, "{}", 1);
    }
}
