//! Random: each endpoint equally likely, weights ignored.
//!
//! A pick takes O(1) and needs no state that slots would have to agree on. A retry excludes this
//! instance's last answer, which is the failed one unless other picks came between.
//!
//! When not to use it: few requests, where luck is uneven (the busiest of n endpoints at
//! n requests has about ln n / ln ln n of them; Raab and Steger, "Balls into bins", 1998), or
//! unequal endpoints: take `weighted_random` or `least_connections`.

use crate::api::{Endpoint, Host, Strategy};
use crate::rng::Rng;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Random {
    rng: Rng,
    n: u32,
    last: u32,
}

impl Random {
    /// Draws from a generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), n: 0, last: 0 }
    }
}

impl Strategy for Random {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        self.n = endpoints.len() as u32;
        self.last = 0;
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, attempt: u32, _host: &H) -> Option<u32> {
        if self.n == 0 {
            return None;
        }
        let index = if attempt == 0 || self.n == 1 {
            self.rng.below(self.n)
        } else {
            let other = self.rng.below(self.n - 1);
            if other >= self.last { other + 1 } else { other }
        };
        self.last = index;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, assert_shares, endpoints, picks};

    #[test]
    fn each_is_equally_likely() {
        let mut strategy = Random::new(1);
        endpoints(&[1, 50, 1, 1], |list| strategy.set_endpoints(list));
        assert_shares(&picks(&mut strategy, 200_000), &[1, 1, 1, 1]);
    }

    #[test]
    fn a_retry_is_another() {
        let mut strategy = Random::new(1);
        endpoints(&[1; 3], |list| strategy.set_endpoints(list));
        for _ in 0..1000 {
            let first = strategy.pick(0, 0, &Idle);
            assert_ne!(strategy.pick(0, 1, &Idle), first);
        }
    }
}
