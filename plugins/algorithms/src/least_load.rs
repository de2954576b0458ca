//! Least load: the endpoint whose machine has most to spare.
//!
//! Load is the weighted mean of what is known of three shares: CPU and memory in use as the instance
//! reported them (0 to 1), and latency relative to the slowest of those being compared. What was never reported
//! is left out and the other weights grow in its place; an endpoint of which nothing is known counts as
//! half loaded. The cost is (load + 0.05) × (in flight + 1) / weight. The count is there because
//! reports are seconds old: without it every proxy would send everything to the one that was idle
//! at its last report, until the next (Mitzenmacher, "How useful is old information?", 2000).
//! Two drawn at random are compared, all up to `exact_up_to` endpoints: six calls to the host, 300 ns.
//!
//! A retry takes the second cheapest of all, then the third; among more than 64 it draws two again.
//!
//! When not to use it: instances that report nothing. Take `response_time` or `least_connections`.

use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::least::{Least, Look, of_two};

/// What an operator may set. Weights of the three parts are relative to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeastLoadConfig {
    /// How much the CPU counts. Default 0.4.
    pub cpu: f64,
    /// How much the memory counts. Default 0.3.
    pub memory: f64,
    /// How much the latency counts. Default 0.3.
    pub latency: f64,
    /// The largest number of endpoints of which all are compared. Default 2: two are drawn of more.
    pub exact_up_to: u32,
}

impl Default for LeastLoadConfig {
    fn default() -> Self {
        Self { cpu: 0.4, memory: 0.3, latency: 0.3, exact_up_to: 2 }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct LeastLoad {
    config: LeastLoadConfig,
    least: Least,
    weights: Vec<f64>,
    /// What was asked about the endpoints being compared, kept for its memory.
    facts: Vec<Facts>,
}

/// What the host said about one endpoint.
#[derive(Debug, Clone, Copy)]
struct Facts {
    cpu: f64,
    memory: f64,
    latency_us: u32,
    active: u32,
}

impl Facts {
    fn ask<H: Host + ?Sized>(host: &H, index: u32) -> Self {
        let reported = host.reported(index);
        Self {
            cpu: reported.cpu.into(),
            memory: reported.memory.into(),
            latency_us: host.latency_us(index),
            active: host.active(index),
        }
    }
}

/// Below this much load endpoints differ by what is in flight alone.
const LEAST_LOAD: f64 = 0.05;

/// The load of an endpoint of which nothing is known.
const UNKNOWN_LOAD: f64 = 0.5;

impl LeastLoad {
    /// Draws from a generator with this seed. The parts' weights must be finite, none negative,
    /// and one above zero, or why not.
    pub fn new(config: LeastLoadConfig, seed: u64) -> Result<Self, &'static str> {
        let parts = [config.cpu, config.memory, config.latency];
        if !parts.iter().all(|part| part.is_finite() && *part >= 0.0) {
            return Err("`cpu`, `memory` and `latency` must be numbers of 0 or more");
        }
        if parts.iter().all(|&part| part == 0.0) {
            return Err("one of `cpu`, `memory` and `latency` must be above 0");
        }
        let least = Least::new(seed, config.exact_up_to);
        Ok(Self { config, least, weights: Vec::new(), facts: Vec::new() })
    }
}

fn cost(config: &LeastLoadConfig, facts: Facts, slowest_us: u32, weight: f64) -> f64 {
    let latency = match (facts.latency_us, slowest_us) {
        (0, _) | (_, 0) => -1.0,
        (latency, slowest) => f64::from(latency) / f64::from(slowest),
    };
    let parts = [(config.cpu, facts.cpu), (config.memory, facts.memory), (config.latency, latency)];
    let (mut known, mut load) = (0.0, 0.0);
    for (part, used) in parts {
        // Not `used < 0.0`: a NaN from an instance must read as unknown too.
        if used >= 0.0 {
            known += part;
            load += part * used.min(1.0);
        }
    }
    let load = if known > 0.0 { load / known } else { UNKNOWN_LOAD };
    (load + LEAST_LOAD) * (f64::from(facts.active) + 1.0) / weight
}

impl Strategy for LeastLoad {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        self.weights = endpoints.iter().map(|e| e.share().into()).collect();
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, attempt: u32, host: &H) -> Option<u32> {
        let (config, weights) = (&self.config, &self.weights);
        let n = weights.len() as u32;
        if n == 0 {
            return None;
        }
        Some(match self.least.look(n, attempt) {
            Look::Two(a, b) => {
                let (of_a, of_b) = (Facts::ask(host, a), Facts::ask(host, b));
                let slowest_us = of_a.latency_us.max(of_b.latency_us);
                of_two(a, b, |i| {
                    let facts = if i == a { of_a } else { of_b };
                    cost(config, facts, slowest_us, weights[i as usize])
                })
            }
            Look::All => {
                self.facts.clear();
                self.facts.extend((0..n).map(|i| Facts::ask(host, i)));
                let facts = &self.facts;
                let slowest_us = facts.iter().map(|f| f.latency_us).max().unwrap_or(0);
                self.least.of_all(n, attempt, |i| {
                    cost(config, facts[i as usize], slowest_us, weights[i as usize])
                })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Table, endpoints};
    use std::vec;

    fn strategy(config: LeastLoadConfig, n: usize) -> LeastLoad {
        let mut strategy = LeastLoad::new(config, 5).unwrap();
        endpoints(&vec![1; n], |list| strategy.set_endpoints(list));
        strategy
    }

    fn reported(cpu: f32, memory: f32) -> crate::Reported {
        crate::Reported { cpu, memory }
    }

    #[test]
    fn the_idlest_machine_first() {
        let reports = vec![reported(0.9, 0.1), reported(0.1, 0.2), reported(0.5, 0.5)];
        let host = Table { reported: reports, ..Table::default() };
        let mut strategy = strategy(LeastLoadConfig { exact_up_to: 8, ..Default::default() }, 3);
        assert_eq!(strategy.pick(0, 0, &host), Some(1));
        assert_eq!(strategy.pick(0, 1, &host), Some(2));
        assert_eq!(strategy.pick(0, 2, &host), Some(0));
    }

    #[test]
    fn unknown_parts_leave_their_weight_to_the_known() {
        let config = LeastLoadConfig::default();
        let facts = |cpu, memory, latency_us| Facts { cpu, memory, latency_us, active: 0 };
        let load = |facts| cost(&config, facts, 100, 1.0) - LEAST_LOAD;
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(load(facts(0.5, 1.0, 50)), 0.4 * 0.5 + 0.3 + 0.3 * 0.5));
        assert!(close(load(facts(0.8, -1.0, 0)), 0.8));
        assert!(close(load(facts(-1.0, -1.0, 25)), 0.25));
        assert!(close(load(facts(-1.0, f64::NAN, 0)), UNKNOWN_LOAD));
    }

    #[test]
    fn what_is_in_flight_outweighs_an_old_report() {
        let reports = vec![reported(0.1, 0.1), reported(0.4, 0.4)];
        let host = Table { reported: reports, active: vec![9, 0], ..Table::default() };
        assert_eq!(strategy(LeastLoadConfig::default(), 2).pick(0, 0, &host), Some(1));
    }

    #[test]
    fn weights_that_mean_nothing_are_refused() {
        let with = |cpu, memory, latency| {
            LeastLoad::new(LeastLoadConfig { cpu, memory, latency, exact_up_to: 2 }, 0).is_ok()
        };
        assert!(with(1.0, 0.0, 0.0));
        assert!(!with(0.0, 0.0, 0.0));
        assert!(!with(-1.0, 1.0, 1.0));
        assert!(!with(f64::NAN, 1.0, 1.0));
    }
}
