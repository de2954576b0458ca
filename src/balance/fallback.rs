//! The native choice for when a strategy gives none: by weight, sticky where the request has a key.
//!
//! Without a key, successive requests step through the weights by the golden ratio (a Weyl
//! sequence; Weyl 1916), which spreads any run of them evenly without a lock or a generator. With a
//! key, the key's own point is used, so that affinity survives a strategy's failure as long as the
//! set does not change.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{EndpointSet, Tried};

/// 2^64 divided by the golden ratio: the most even step there is.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Where the next request without a key falls. One for each service.
#[derive(Debug, Default)]
pub struct Spread(AtomicU64);

impl Spread {
    /// Chooses an eligible member that was not tried. Where no eligible one is left: one that was not
    /// tried, as what is believed to be down may be up. `None` when there is none.
    pub fn pick(&self, set: &EndpointSet, key: u64, tried: &Tried) -> Option<usize> {
        let untried = |&index: &usize| !tried.contains(index);
        let usable = |index: &usize| untried(index) && set.members()[*index].state.eligible();
        let place = match key {
            0 => self.0.fetch_add(STEP, Ordering::Relaxed),
            key => key.wrapping_mul(STEP),
        };
        let first = set.at_fraction(place)?;
        let count = set.members().len();
        let mut order = (0..count).map(|step| (first + step) % count);
        order.clone().find(usable).or_else(|| order.find(untried))
    }
}

#[cfg(test)]
mod tests {
    use super::super::select::tests::set_of;
    use super::*;

    #[test]
    fn shares_follow_the_weights() {
        let set = set_of(&[5, 3, 2]);
        let spread = Spread::default();
        let mut hits = [0u32; 3];
        for _ in 0..10_000 {
            hits[spread.pick(&set, 0, &Tried::default()).unwrap()] += 1;
        }
        for (hit, share) in hits.iter().zip([5000, 3000, 2000]) {
            assert!(hit.abs_diff(share) <= 10, "{hits:?}");
        }
    }

    #[test]
    fn a_key_sticks_and_a_tried_endpoint_is_passed_over() {
        let set = set_of(&[1, 1, 1]);
        let spread = Spread::default();
        let home = spread.pick(&set, 77, &Tried::default()).unwrap();
        assert_eq!(spread.pick(&set, 77, &Tried::default()), Some(home));
        let mut tried = Tried::default();
        tried.add(home);
        assert_eq!(spread.pick(&set, 77, &tried), Some((home + 1) % 3));
        set.members()[(home + 1) % 3].state.set_eligible(false);
        assert_eq!(spread.pick(&set, 77, &tried), Some((home + 2) % 3));
        tried.add((home + 2) % 3);
        assert_eq!(spread.pick(&set, 77, &tried), Some((home + 1) % 3), "better than nobody");
        tried.add((home + 1) % 3);
        assert_eq!(spread.pick(&set, 77, &tried), None);
    }

    #[test]
    fn nobody_there_is_no_pick() {
        assert_eq!(Spread::default().pick(&EndpointSet::default(), 1, &Tried::default()), None);
    }
}
