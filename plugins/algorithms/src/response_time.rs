//! Response time: the endpoint expected to answer soonest.
//!
//! The cost of an endpoint is latency × (in flight + 1) / weight, where latency is a peak-sensitive
//! moving average that the host keeps: it jumps up with a slow answer and comes down slowly. Source:
//! Finagle's `Peak EWMA` (Twitter, 2015), also Linkerd's. Two drawn at random are compared, all of them up to
//! `exact_up_to` endpoints; four calls to the host, 200 ns.
//!
//! An endpoint without a sample costs nothing while nothing is in flight to it, so that it is tried;
//! once it is being tried it costs more than any with a sample until its first answer comes. So
//! a new endpoint is never flooded on no evidence.
//!
//! A retry takes the second cheapest of all, then the third; among more than 64 it draws two again.
//!
//! When not to use it: requests whose own cost differs a hundredfold: the average then tells about the
//! requests, not about the endpoint. And an endpoint that fails fast looks fast: keep outlier
//! ejection on.

use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::least::{Least, Look, of_two};

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResponseTimeConfig {
    /// The largest number of endpoints of which all are compared. Default 2: two are drawn of more.
    pub exact_up_to: u32,
}

impl Default for ResponseTimeConfig {
    fn default() -> Self {
        Self { exact_up_to: 2 }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct ResponseTime {
    least: Least,
    weights: Vec<f64>,
}

impl ResponseTime {
    /// Draws from a generator with this seed.
    pub fn new(config: ResponseTimeConfig, seed: u64) -> Self {
        Self { least: Least::new(seed, config.exact_up_to), weights: Vec::new() }
    }
}

/// Above every cost with a sample: 2³² µs × 2³² in flight, and room above it for the count.
const UNSEEN: f64 = 1e20;

fn cost(latency_us: u32, active: u32, weight: f64) -> f64 {
    let active = f64::from(active);
    match latency_us {
        0 if active == 0.0 => 0.0,
        0 => UNSEEN * (active + 1.0),
        latency => f64::from(latency) * (active + 1.0) / weight,
    }
}

impl Strategy for ResponseTime {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        self.weights = endpoints.iter().map(|e| e.share().into()).collect();
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, attempt: u32, host: &H) -> Option<u32> {
        let weights = &self.weights;
        let n = weights.len() as u32;
        if n == 0 {
            return None;
        }
        let cost = |i: u32| cost(host.latency_us(i), host.active(i), weights[i as usize]);
        Some(match self.least.look(n, attempt) {
            Look::Two(a, b) => of_two(a, b, cost),
            Look::All => self.least.of_all(n, attempt, cost),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Table, endpoints};
    use std::vec;

    fn strategy(weights: &[u32]) -> ResponseTime {
        let mut strategy = ResponseTime::new(ResponseTimeConfig { exact_up_to: 8 }, 5);
        endpoints(weights, |list| strategy.set_endpoints(list));
        strategy
    }

    #[test]
    fn the_soonest_counts_what_waits_before() {
        let latency_us = vec![1000, 300, 5000];
        let host = Table { latency_us, active: vec![0, 4, 0], ..Table::default() };
        let mut strategy = strategy(&[1, 1, 1]);
        assert_eq!(strategy.pick(0, 0, &host), Some(0));
        assert_eq!(strategy.pick(0, 1, &host), Some(1));
        assert_eq!(strategy.pick(0, 2, &host), Some(2));
    }

    #[test]
    fn an_unseen_one_is_tried_once_at_a_time() {
        let mut host = Table { latency_us: vec![10, 0], active: vec![0, 0], ..Table::default() };
        let mut strategy = strategy(&[1, 1]);
        assert_eq!(strategy.pick(0, 0, &host), Some(1));
        host.active[1] = 1;
        assert_eq!(strategy.pick(0, 0, &host), Some(0));
        host.active[0] = 1000;
        assert_eq!(strategy.pick(0, 0, &host), Some(0));
    }

    #[test]
    fn of_many_the_slowest_is_never_better() {
        let mut host = Table { latency_us: vec![100; 10], active: vec![0; 10], ..Table::default() };
        host.latency_us[3] = 10_000;
        let mut strategy = ResponseTime::new(ResponseTimeConfig::default(), 1);
        endpoints(&[1; 10], |list| strategy.set_endpoints(list));
        for _ in 0..1000 {
            assert_ne!(strategy.pick(0, 0, &host), Some(3));
        }
    }
}
