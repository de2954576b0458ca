//! Maglev: a key's endpoint in one read of a table that endpoints share almost exactly.
//!
//! Source: Eisenbud et al., "Maglev: a fast and reliable software network load balancer" (NSDI 2016),
//! section 3.4. Each endpoint has its own permutation of the table's places, and in turn takes
//! the next that is still free; those of less weight sit out turns (as in Envoy). The table's size is a
//! prime of at least 100 × n, which makes shares exact within 1 %.
//!
//! A pick is one read, O(1). Building takes O(size × ln size): 5 ms for 131 101 places. Memory is 2 bytes
//! a place, 4 above 65 535 endpoints.
//!
//! When an endpoint goes, its keys move and a few per cent of the others' (a ring moves none of them).
//! Sizes go in steps (65537, 131101, 262147, 524309, 1048583) so that they seldom change as endpoints come: a
//! changed size moves nearly every key. Beyond 10 485 endpoints the last step stays.
//!
//! A retry goes on along the table to another endpoint, always. A request without a key reads a random place.
//!
//! When not to use it: where no key may move but those of the endpoint that went, or where a key can be
//! so hot that it needs more than one endpoint: `consistent_hash` does both.

use alloc::vec;
use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::hash::{hash_str, mix, reduce};
use crate::rng::Rng;

/// Primes a little above the powers of two from 2¹⁶ to 2²⁰.
const SIZES: [u32; 5] = [65_537, 131_101, 262_147, 524_309, 1_048_583];

/// The largest table that may be configured.
const MAX_SIZE: u32 = SIZES[4];

/// Places for each endpoint, at least: what keeps shares within 1 %.
const PLACES_EACH: u32 = 100;

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MaglevConfig {
    /// Size of the table, up to 1 048 583; the next prime is taken, and more than it where there are more endpoints.
    /// None (the default): 65537, or the next step of at least 100 × the number of endpoints.
    pub table_size: Option<u32>,
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Maglev {
    config: MaglevConfig,
    rng: Rng,
    table: Table,
    n: u32,
}

impl Maglev {
    /// An empty table; the seed is for requests without a key alone. Or why the configuration cannot be.
    pub fn new(config: MaglevConfig, seed: u64) -> Result<Self, &'static str> {
        if config.table_size.is_some_and(|size| !(2..=MAX_SIZE).contains(&size)) {
            return Err("`table_size` must be 2 to 1048583");
        }
        Ok(Self { config, rng: Rng::new(seed), table: Table::default(), n: 0 })
    }
}

/// How large a table for so many endpoints is.
fn size(config: MaglevConfig, n: u32) -> u32 {
    match config.table_size {
        Some(size) => next_prime(size.max(n)),
        None => {
            let wanted = n.saturating_mul(PLACES_EACH);
            let step = SIZES.into_iter().find(|&size| size >= wanted).unwrap_or(MAX_SIZE);
            next_prime(step.max(n))
        }
    }
}

fn next_prime(from: u32) -> u32 {
    let is_prime = |n: u32| (2..).take_while(|d| d * d <= n).all(|d| n % d != 0);
    (from.max(2)..).find(|&n| is_prime(n)).unwrap_or(MAX_SIZE)
}

/// The endpoint of each place.
#[derive(Debug)]
enum Table {
    Narrow(Vec<u16>),
    /// For more endpoints than a narrow one can tell apart.
    Wide(Vec<u32>),
}

/// What stands at a place.
trait Owner: Copy + PartialEq {
    const FREE: Self;

    fn of(index: u32) -> Self;
}

impl Owner for u16 {
    const FREE: u16 = u16::MAX;

    fn of(index: u32) -> u16 {
        index as u16
    }
}

impl Owner for u32 {
    const FREE: u32 = u32::MAX;

    fn of(index: u32) -> u32 {
        index
    }
}

impl Default for Table {
    fn default() -> Self {
        Table::Narrow(Vec::new())
    }
}

impl Table {
    fn of(endpoints: &[Endpoint<'_>], size: u32) -> Self {
        match endpoints.len() <= usize::from(u16::MAX) {
            true => Table::Narrow(fill(endpoints, size)),
            false => Table::Wide(fill(endpoints, size)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Table::Narrow(table) => table.len(),
            Table::Wide(table) => table.len(),
        }
    }

    fn at(&self, place: usize) -> Option<u32> {
        match self {
            Table::Narrow(table) => table.get(place).map(|&owner| owner.into()),
            Table::Wide(table) => table.get(place).copied(),
        }
    }
}

/// One endpoint while the table is filled.
struct Turn {
    /// Hash of the id, by which turns are ordered: the order of the list must not matter.
    id: u64,
    index: u32,
    /// The next place it wants.
    place: u32,
    /// How far on the one after that is.
    skip: u32,
    weight: u64,
    /// Weight gained so far; a turn costs that of the heaviest.
    credit: u64,
}

fn fill<O: Owner>(endpoints: &[Endpoint<'_>], size: u32) -> Vec<O> {
    let mut turns: Vec<Turn> = (0..)
        .zip(endpoints)
        .map(|(index, endpoint)| {
            let id = hash_str(endpoint.id);
            Turn {
                id,
                index,
                place: reduce(mix(id ^ 0x6d61_676c_6576), size),
                skip: 1 + reduce(mix(id ^ 0x736b_6970), size - 1),
                weight: endpoint.share().into(),
                credit: 0,
            }
        })
        .collect();
    turns.sort_unstable_by_key(|turn| (turn.id, turn.index));
    let heaviest = turns.iter().map(|turn| turn.weight).max().unwrap_or(1);

    let mut table = vec![O::FREE; size as usize];
    let mut left = if turns.is_empty() { 0 } else { size };
    while left > 0 {
        for turn in &mut turns {
            turn.credit += turn.weight;
            if turn.credit < heaviest {
                continue;
            }
            turn.credit -= heaviest;
            // The size is prime, so these steps visit every place; one is still free.
            while table[turn.place as usize] != O::FREE {
                turn.place = step(turn.place, turn.skip, size);
            }
            table[turn.place as usize] = O::of(turn.index);
            left -= 1;
            if left == 0 {
                break;
            }
        }
    }
    table
}

fn step(place: u32, skip: u32, size: u32) -> u32 {
    let place = place + skip;
    if place >= size { place - size } else { place }
}

impl Strategy for Maglev {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        self.n = endpoints.len() as u32;
        // The old table first: two of the largest would not fit a small plugin's memory.
        self.table = Table::default();
        if self.n > 0 {
            self.table = Table::of(endpoints, size(self.config, self.n));
        }
    }

    fn pick<H: Host + ?Sized>(&mut self, key: u64, attempt: u32, _host: &H) -> Option<u32> {
        let hash = if key == 0 { self.rng.next_u64() } else { mix(key) };
        let place = reduce(hash, self.table.len() as u32) as usize;
        let owner = self.table.at(place)?;
        if attempt == 0 {
            return Some(owner);
        }
        let mut passed: Vec<u32> = Vec::new();
        let skip = (attempt % self.n) as usize;
        let along = (place..self.table.len()).chain(0..place);
        for owner in along.filter_map(|place| self.table.at(place)) {
            if passed.contains(&owner) {
                continue;
            }
            if passed.len() == skip {
                return Some(owner);
            }
            passed.push(owner);
        }
        // An endpoint so light that it has no place at all is never named.
        Some(owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, endpoints, keyed_picks, moved_share};
    use std::collections::BTreeSet;

    fn strategy(weights: &[u32]) -> Maglev {
        let mut strategy = Maglev::new(MaglevConfig::default(), 1).unwrap();
        endpoints(weights, |list| strategy.set_endpoints(list));
        strategy
    }

    #[test]
    fn sizes_are_primes() {
        for size in SIZES {
            assert_eq!(next_prime(size), size);
        }
        assert_eq!(size(MaglevConfig::default(), 10), 65_537);
        assert_eq!(size(MaglevConfig::default(), 1000), 131_101);
        assert_eq!(size(MaglevConfig { table_size: Some(100) }, 3), 101);
        assert_eq!(size(MaglevConfig { table_size: Some(100) }, 500), 503);
    }

    #[test]
    fn shares_of_the_table_are_the_weights_within_a_hundredth() {
        for weights in [&[1; 100][..], &[1, 2, 3], &[5, 1, 1, 1]] {
            let table = strategy(weights).table;
            let total: u32 = weights.iter().sum();
            for (index, weight) in (0..).zip(weights) {
                let owners = (0..table.len()).filter_map(|place| table.at(place));
                let places = owners.filter(|&owner| owner == index).count() as f64;
                let share = f64::from(*weight) / f64::from(total) * table.len() as f64;
                assert!((places / share - 1.0).abs() < 0.01, "{index}: {places} of {share}");
            }
        }
    }

    #[test]
    fn one_that_goes_moves_few_keys_of_others() {
        let moved = moved_share(|| Maglev::new(MaglevConfig::default(), 0).unwrap(), 20, 7);
        assert!(moved.share < 1.0 / 20.0 + 0.05, "{moved:?}");
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let mut strategy = strategy(&[1; 20]);
        let before = keyed_picks(&mut strategy, 1000);
        endpoints(&[1; 20], |list| {
            let mut list = list.to_vec();
            list.reverse();
            strategy.set_endpoints(&list);
        });
        let after: Vec<u32> = keyed_picks(&mut strategy, 1000).iter().map(|i| 19 - i).collect();
        assert_eq!(before, after);
    }

    #[test]
    fn retries_visit_all() {
        let mut strategy = strategy(&[1; 5]);
        for key in 1..100 {
            let visited: BTreeSet<_> = (0..5).map(|k| strategy.pick(key, k, &Idle)).collect();
            assert_eq!(visited.len(), 5);
        }
    }

    #[test]
    fn the_last_of_very_many_can_be_told_apart() {
        for n in [u32::from(u16::MAX), u32::from(u16::MAX) + 1] {
            let table = strategy(&vec![1; n as usize]).table;
            assert_eq!(matches!(table, Table::Narrow(_)), n == u32::from(u16::MAX));
            let owners: BTreeSet<_> = (0..table.len()).filter_map(|p| table.at(p)).collect();
            assert_eq!((owners.len(), owners.last()), (n as usize, Some(&(n - 1))));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let with = |size| Maglev::new(MaglevConfig { table_size: Some(size) }, 0).is_ok();
        assert!(with(2) && with(MAX_SIZE));
        assert!(!with(0) && !with(1) && !with(MAX_SIZE + 1));
    }
}
