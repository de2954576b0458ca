//! What is published about the strategies, held against the components.

use std::collections::HashMap;
use std::sync::Arc;

use proconsul::balance::EndpointSet;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::pair::{Subject, equals, pick, set_of};

const PICKS: u64 = 60_000;

/// Keys that have nothing in common.
fn key(client: u64) -> u64 {
    proconsul_algorithms::mix(client + 1)
}

/// The share of each endpoint among picks with a key each.
fn shares(subject: &Subject, seed: u64, set: &Arc<EndpointSet>) -> Vec<f64> {
    let (mut trial, _) = subject.start(seed, set);
    let mut counts = vec![0_u32; set.members().len()];
    for client in 0..PICKS {
        counts[pick(&mut trial, key(client), 0).unwrap() as usize] += 1;
    }
    counts.iter().map(|&count| f64::from(count) / PICKS as f64).collect()
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(ProptestConfig { cases, failure_persistence: None, ..Default::default() })
}

/// Shares are weights, within one hundredth of all requests.
fn follows_weights(strategy: &str, config: &str) {
    let subject = Subject::new(strategy, config);
    let weights = prop::collection::vec(prop_oneof![1u16..10, 1u16..1000], 1..12);
    let run = |(seed, weights): (u64, Vec<u16>)| {
        let list: Vec<_> = (0..).zip(weights.iter().copied()).collect();
        let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
        let shares = shares(&subject, seed, &set_of(&list, &EndpointSet::default()));
        for (share, &weight) in shares.iter().zip(&weights) {
            let expected = f64::from(weight) / total;
            prop_assert!((share - expected).abs() < 0.01, "{shares:?} for {weights:?}");
        }
        Ok(())
    };
    runner(8).run(&(any::<u64>(), weights), run).unwrap_or_else(|e| panic!("{strategy}: {e}"));
}

#[test]
fn shares_are_weights_within_one_percent() {
    for strategy in ["weighted-random", "weighted-round-robin", "ip-hash", "maglev"] {
        follows_weights(strategy, "{}");
    }
}

#[test]
fn without_weights_everyone_has_the_same_within_one_percent() {
    for strategy in ["round-robin", "random"] {
        let list: Vec<_> = (0..7).map(|number| (number, 1 + number * 5)).collect();
        let set = set_of(&list, &EndpointSet::default());
        for share in shares(&Subject::new(strategy, "{}"), 9, &set) {
            assert!((share - 1.0 / 7.0).abs() < 0.01, "{strategy}: {share}");
        }
    }
}

/// Where each of many clients goes, by the endpoint's id.
fn homes(
    trial: &mut proconsul::plugin::balancer::Trial,
    set: &EndpointSet,
) -> HashMap<u64, String> {
    let home = |client| {
        let index = pick(trial, key(client), 0).unwrap() as usize;
        (client, set.members()[index].endpoint.id.to_string())
    };
    (0..20_000).map(home).collect()
}

#[test]
fn an_endpoint_that_goes_moves_few_keys() {
    for strategy in ["consistent-hash", "maglev"] {
        let subject = Subject::new(strategy, "{}");
        let run = |(count, gone): (u16, prop::sample::Index)| {
            let before_set = equals(count);
            let gone = gone.index(usize::from(count)) as u16;
            let rest: Vec<_> = (0..count).filter(|&n| n != gone).map(|n| (n, 1)).collect();
            let (mut trial, _) = subject.start(1, &before_set);
            let before = homes(&mut trial, &before_set);
            let after_set = set_of(&rest, &before_set);
            trial.set_endpoints(after_set.clone()).unwrap();
            let after = homes(&mut trial, &after_set);
            let moved = before.iter().filter(|(client, home)| after[client] != **home).count();
            let share = moved as f64 / before.len() as f64;
            let most = 1.0 / f64::from(count) + 0.05;
            prop_assert!(share <= most, "{share} of the keys moved, at most {most} may");
            Ok(())
        };
        // Two or three share a ring of 150 points each too unevenly for 5 %.
        let cases = (4u16..60, any::<prop::sample::Index>());
        runner(12).run(&cases, run).unwrap_or_else(|e| panic!("{strategy}: {e}"));
    }
}
