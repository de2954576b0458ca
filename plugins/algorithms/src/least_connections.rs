//! Least connections: the endpoint with the fewest requests in flight for its weight.
//!
//! The cost of an endpoint is (in flight + 1) / weight: what it would be if it got this request too.
//! Up to `exact_up_to` endpoints all are compared, which is one call to the host; above it two
//! drawn at random, which is two calls and O(1) (Mitzenmacher, "The power of two choices in randomized
//! load balancing", 1996). Equals take turns.
//!
//! A retry takes the second cheapest of all, then the third; among more than 64 it draws two again.
//!
//! When not to use it: requests so short that hardly any two overlap. Then every count is 0
//! and the heaviest endpoint gets all: take `weighted_round_robin`. Also an endpoint that fails
//! fast has few in flight and attracts requests: keep outlier ejection on.

use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::least::{Least, Look, of_two};

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastConnectionsConfig {
    /// The largest number of endpoints of which all are compared. Default 8.
    pub exact_up_to: u32,
}

impl Default for LeastConnectionsConfig {
    fn default() -> Self {
        Self { exact_up_to: 8 }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct LeastConnections {
    least: Least,
    weights: Vec<f64>,
    /// Answers of `active_all`, kept for their memory.
    active: Vec<u32>,
}

impl LeastConnections {
    /// Draws from a generator with this seed.
    pub fn new(config: LeastConnectionsConfig, seed: u64) -> Self {
        let least = Least::new(seed, config.exact_up_to);
        Self { least, weights: Vec::new(), active: Vec::new() }
    }
}

fn cost(active: u32, weight: f64) -> f64 {
    (f64::from(active) + 1.0) / weight
}

impl Strategy for LeastConnections {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        self.weights = endpoints.iter().map(|e| e.share().into()).collect();
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, attempt: u32, host: &H) -> Option<u32> {
        let weights = &self.weights;
        let n = weights.len() as u32;
        if n == 0 {
            return None;
        }
        let index = match self.least.look(n, attempt) {
            Look::Two(a, b) => of_two(a, b, |i| cost(host.active(i), weights[i as usize])),
            Look::All => {
                host.active_all(&mut self.active);
                let active = &self.active;
                let active = |i: u32| active.get(i as usize).copied().unwrap_or(0);
                self.least.of_all(n, attempt, |i| cost(active(i), weights[i as usize]))
            }
        };
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, Table, endpoints, picks};
    use std::vec;

    fn strategy(n: usize) -> LeastConnections {
        let mut strategy = LeastConnections::new(LeastConnectionsConfig::default(), 5);
        endpoints(&vec![1; n], |list| strategy.set_endpoints(list));
        strategy
    }

    #[test]
    fn the_least_busy_of_a_few() {
        let host = Table { active: vec![4, 2, 3], ..Table::default() };
        let mut strategy = strategy(3);
        assert_eq!(strategy.pick(0, 0, &host), Some(1));
        assert_eq!(strategy.pick(0, 1, &host), Some(2));
        assert_eq!(strategy.pick(0, 2, &host), Some(0));
    }

    #[test]
    fn weight_divides() {
        let host = Table { active: vec![1, 4], ..Table::default() };
        let mut strategy = strategy(0);
        endpoints(&[1, 5], |list| strategy.set_endpoints(list));
        assert_eq!(strategy.pick(0, 0, &host), Some(1));
    }

    #[test]
    fn equals_take_turns() {
        let mut strategy = strategy(8);
        let mut counts = [0; 8];
        for index in picks(&mut strategy, 80) {
            counts[index as usize] += 1;
        }
        assert_eq!(counts, [10; 8]);
    }

    #[test]
    fn of_many_the_busiest_is_never_better() {
        let mut host = Table { active: vec![0; 10], ..Table::default() };
        host.active[7] = 100;
        let mut strategy = strategy(10);
        for _ in 0..1000 {
            assert_ne!(strategy.pick(0, 0, &host), Some(7));
        }
        assert!(strategy.pick(0, 1, &Idle).is_some());
    }

    #[test]
    fn two_choices_keep_the_load_even() {
        let mut host = Table { active: vec![0; 100], ..Table::default() };
        let mut strategy = strategy(100);
        for _ in 0..10_000 {
            let index = strategy.pick(0, 0, &host).unwrap();
            host.active[index as usize] += 1;
        }
        // Two choices: mean + log log n. One choice would be near mean + 30.
        assert!(*host.active.iter().max().unwrap() <= 104, "{:?}", host.active);
    }
}
