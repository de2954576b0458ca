//! IP hash: the key modulo the sum of the weights.
//!
//! Source: nginx's `ip_hash`. The host makes the key (`hash_on = "source_ip"` for the name to be
//! true, but any key does). A pick is a multiplication and a binary search, O(log n).
//!
//! A retry hashes again, as nginx does, and steps on to the next endpoint that the earlier tries of the
//! request did not name: up to 16 tries are certainly different. A request without
//! a key is placed at random by weight.
//!
//! When not to use it: endpoints that come and go. A change moves nearly every key (1 − 1/n of them);
//! `consistent_hash` and `maglev` move 1/n.

use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::hash::mix;
use crate::rng::Rng;

/// How many tries of a request are certain to differ.
const DISTINCT_TRIES: usize = 16;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct IpHash {
    rng: Rng,
    /// Sum of the weights up to and with each endpoint.
    sums: Vec<u64>,
}

impl IpHash {
    /// The seed is for requests without a key alone.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), sums: Vec::new() }
    }

    fn place(&self, hash: u64, total: u64) -> u32 {
        let at = hash % total;
        self.sums.partition_point(|&sum| sum <= at) as u32
    }

    /// The first place for `hash` that is in none of `tried`.
    fn another(&self, hash: u64, total: u64, tried: &[u32]) -> u32 {
        let n = self.sums.len() as u32;
        let mut index = self.place(hash, total);
        while tried.contains(&index) {
            index = (index + 1) % n;
        }
        index
    }
}

impl Strategy for IpHash {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        let mut sum = 0;
        self.sums.clear();
        self.sums.extend(endpoints.iter().map(|e| {
            sum += u64::from(e.share());
            sum
        }));
    }

    fn pick<H: Host + ?Sized>(&mut self, key: u64, attempt: u32, _host: &H) -> Option<u32> {
        let total = *self.sums.last()?;
        let mut hash = if key == 0 { self.rng.next_u64() } else { mix(key) };
        if attempt == 0 {
            return Some(self.place(hash, total));
        }
        // The earlier tries of this request gave these; after all have been named it begins again.
        let again = attempt as usize % self.sums.len().min(DISTINCT_TRIES);
        let mut tried = [0; DISTINCT_TRIES];
        for i in 0..again {
            tried[i] = self.another(hash, total, &tried[..i]);
            hash = mix(hash);
        }
        Some(self.another(hash, total, &tried[..again]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, assert_shares, endpoints, keyed_picks};
    use std::collections::BTreeSet;

    #[test]
    fn shares_are_the_weights() {
        let mut strategy = IpHash::new(0);
        endpoints(&[1, 2, 5], |list| strategy.set_endpoints(list));
        assert_shares(&keyed_picks(&mut strategy, 300_000), &[1, 2, 5]);
    }

    #[test]
    fn a_key_stays_and_its_retries_visit_all() {
        let mut strategy = IpHash::new(0);
        endpoints(&[9, 1, 1, 1], |list| strategy.set_endpoints(list));
        for key in 1..100 {
            let visited: BTreeSet<_> =
                (0..4).map(|attempt| strategy.pick(key, attempt, &Idle)).collect();
            assert_eq!(visited.len(), 4);
            assert_eq!(strategy.pick(key, 0, &Idle), strategy.pick(key, 4, &Idle));
        }
    }
}
