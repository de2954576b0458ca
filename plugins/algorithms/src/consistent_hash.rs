//! Consistent hashing with bounded loads: a key keeps its endpoint while endpoints come and go,
//! unless that endpoint is busier than its share allows.
//!
//! Each endpoint stands at many points of a ring (`virtual_nodes` for one of mean weight, others in
//! proportion); a key belongs to the first point at or after its hash (Karger et al., 1997). When an
//! endpoint goes, its keys alone move. The bound is that of Mirrokni, Thorup and Zadimoghaddam,
//! "Consistent hashing with bounded loads" (2016): an endpoint may have
//! ⌈`load_factor` × (in flight + 1) × its share⌉ requests in flight; a key whose endpoint is full goes
//! on along the ring to the next that is not. `min_load` is ours: an endpoint with fewer in flight
//! than that is never passed over, since at two requests in flight over ten endpoints the paper's bound is 1
//! and would part two requests of one client for nothing.
//!
//! The ring is a sorted list cut into buckets of one point on average, with an index of where
//! each begins: a lookup is O(1) and touches two or three cache lines, at 10 endpoints as at 1000. Building is O(points).
//! Memory: 8 bytes a point and 4 a bucket, at most 262 144 points (above 1747 endpoints at 150 each,
//! they get fewer): 3 MiB, and 2 MiB more while it is built.
//!
//! One call to the host in the common case (`active` of the owner). The total in flight is read every
//! [`REFRESH_EVERY`] picks, or n / 8 if that is more: between two reads it can be wrong by what this many picks of
//! each slot began. Before a pick leaves its owner it reads everything anew, so nothing is moved on stale numbers.
//!
//! A retry goes on along the ring to another endpoint, always. A request without a key is hashed from a random number.
//!
//! When not to use it: requests without a key that recurs. Take `least_connections`.

use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::hash::{hash_str, mix};
use crate::rng::Rng;

/// How many picks a reading of the total in flight lasts, at least.
pub const REFRESH_EVERY: u32 = 64;

/// The largest number of points on a ring.
const MAX_POINTS: u64 = 1 << 18;

/// Low bits of a point that name its owner; those above are its place.
const OWNER_BITS: u32 = 20;
const OWNER: u64 = (1 << OWNER_BITS) - 1;

/// What an operator may set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConsistentHashConfig {
    /// Points on the ring of an endpoint of mean weight, 1 or more. More points share more evenly:
    /// shares differ from the weights by about 1 / √points. Default 150: 8 %.
    pub virtual_nodes: u32,
    /// How many times its share of what is in flight an endpoint may have, above 1; none = no bound. Default 1.25.
    pub load_factor: Option<f64>,
    /// An endpoint with fewer requests in flight than this is never passed over. Default 8.
    pub min_load: u32,
}

impl Default for ConsistentHashConfig {
    fn default() -> Self {
        Self { virtual_nodes: 150, load_factor: Some(1.25), min_load: 8 }
    }
}

/// See the [module documentation](self).
#[derive(Debug)]
pub struct ConsistentHash {
    config: ConsistentHashConfig,
    rng: Rng,
    ring: Ring,
    /// For each endpoint `load_factor` times its share of the weights.
    allowance: Vec<f64>,
    /// Answers of `active_all`, kept for their memory.
    active: Vec<u32>,
    /// Requests in flight to all endpoints, as last read.
    total: f64,
    /// Picks until it is read again.
    refresh_in: u32,
}

impl ConsistentHash {
    /// An empty ring; the seed is for requests without a key alone. Or why the configuration cannot be.
    pub fn new(config: ConsistentHashConfig, seed: u64) -> Result<Self, &'static str> {
        if config.virtual_nodes == 0 {
            return Err("`virtual_nodes` must be 1 or more");
        }
        if config.load_factor.is_some_and(|factor| !(factor > 1.0 && factor.is_finite())) {
            return Err("`load_factor` must be above 1 (such as 1.25), or 0 for no bound");
        }
        Ok(Self {
            config,
            rng: Rng::new(seed),
            ring: Ring::default(),
            allowance: Vec::new(),
            active: Vec::new(),
            total: 0.0,
            refresh_in: 0,
        })
    }

    /// How many an endpoint may have in flight with the one being placed.
    fn limit(&self, index: u32) -> f64 {
        let share = self.allowance.get(index as usize).copied().unwrap_or(f64::INFINITY);
        // Truncation and one more is the ceiling, but for whole numbers, where one more does no harm.
        let limit = (((self.total + 1.0) * share) as u64).saturating_add(1) as f64;
        limit.max(self.config.min_load.into())
    }

    fn refresh<H: Host + ?Sized>(&mut self, host: &H) {
        host.active_all(&mut self.active);
        self.total = self.active.iter().map(|&active| f64::from(active)).sum();
        self.refresh_in = REFRESH_EVERY.max(self.allowance.len() as u32 / 8);
    }

    /// Goes along the ring, past `skip` endpoints that would do, to one that does and is not full.
    fn walk(&self, start: usize, mut skip: u32) -> Option<u32> {
        let mut passed: Vec<u32> = Vec::new();
        let mut first = None;
        for owner in self.ring.owners_from(start) {
            if passed.contains(&owner) {
                continue;
            }
            let active = self.active.get(owner as usize).copied().unwrap_or(0);
            if f64::from(active) + 1.0 <= self.limit(owner) || self.config.load_factor.is_none() {
                if skip == 0 {
                    return Some(owner);
                }
                skip -= 1;
                first = first.or(Some(owner));
            }
            passed.push(owner);
            if passed.len() >= MAX_WALK.min(self.allowance.len()) {
                break;
            }
        }
        // Everyone here is full, or was tried: the first who would do, or else the owner.
        first.or(passed.first().copied())
    }
}

/// How many endpoints a walk passes before it gives up. The chance to need more is that of so many
/// neighbours being full while at least a fifth of all endpoints (at 1.25) is not: below 0.8⁶⁴.
const MAX_WALK: usize = 64;

impl Strategy for ConsistentHash {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        self.ring.build(endpoints, self.config.virtual_nodes);
        let total: u64 = endpoints.iter().map(|e| u64::from(e.share())).sum();
        let factor = self.config.load_factor.unwrap_or(f64::INFINITY);
        self.allowance.clear();
        self.allowance
            .extend(endpoints.iter().map(|e| factor * f64::from(e.share()) / total as f64));
        self.refresh_in = 0;
    }

    fn pick<H: Host + ?Sized>(&mut self, key: u64, attempt: u32, host: &H) -> Option<u32> {
        let hash = if key == 0 { self.rng.next_u64() } else { mix(key) };
        let start = self.ring.find(hash)?;
        let owner = self.ring.owner(start);
        if attempt == 0 {
            if self.config.load_factor.is_none() {
                return Some(owner);
            }
            if self.refresh_in == 0 {
                self.refresh(host);
            }
            self.refresh_in -= 1;
            if f64::from(host.active(owner)) + 1.0 <= self.limit(owner) {
                return Some(owner);
            }
        }
        self.refresh(host);
        self.walk(start, attempt)
    }
}

/// Points in order, and where each bucket of them begins.
#[derive(Debug, Default)]
struct Ring {
    /// Place in the high bits, owner in the low; ascending.
    points: Vec<u64>,
    /// For the `b`th part of the ring, the first point that is not before it; one more at the end.
    buckets: Vec<u32>,
    /// How far to shift a hash right to have its bucket.
    shift: u32,
}

impl Ring {
    fn build(&mut self, endpoints: &[Endpoint<'_>], virtual_nodes: u32) {
        // More owners than a point can name would need more than a ring of any sense.
        let endpoints = &endpoints[..endpoints.len().min(OWNER as usize)];
        let n = endpoints.len() as u64;
        let weights: u64 = endpoints.iter().map(|e| u64::from(e.share())).sum();
        let budget = (n * u64::from(virtual_nodes)).min(MAX_POINTS);
        let count = |e: &Endpoint<'_>| {
            let weight = u64::from(e.share());
            ((weight * budget + weights / 2) / weights.max(1)).max(1)
        };

        let mut points = Vec::with_capacity((budget + n) as usize);
        for (owner, endpoint) in (0..).zip(endpoints) {
            let id = hash_str(endpoint.id);
            // The i-th point depends on the id and i alone: a changed weight adds or takes the last ones.
            points.extend((1..=count(endpoint)).map(|i| {
                let place = mix(id ^ i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                (place & !OWNER) | owner
            }));
        }
        let bits = (points.len() as u64).next_power_of_two().trailing_zeros().max(1);
        self.shift = 64 - bits;
        self.sort(points, 1 << bits);
    }

    /// Counting sort by bucket, then by insertion within each, which has one point on average.
    fn sort(&mut self, unsorted: Vec<u64>, buckets: usize) {
        let shift = self.shift;
        self.buckets.clear();
        self.buckets.resize(buckets + 1, 0);
        for point in &unsorted {
            self.buckets[(point >> shift) as usize] += 1;
        }
        let mut sum = 0;
        for bucket in &mut self.buckets {
            sum += *bucket;
            *bucket = sum;
        }
        self.points.clear();
        self.points.resize(unsorted.len(), 0);
        // Filling each bucket from its end leaves its beginning in the index; going backwards keeps
        // points of the same place in the order of their owners.
        for point in unsorted.into_iter().rev() {
            let bucket = &mut self.buckets[(point >> shift) as usize];
            *bucket -= 1;
            self.points[*bucket as usize] = point;
        }
        for bounds in self.buckets.windows(2) {
            let bucket = bounds[0] as usize..bounds[1] as usize;
            insertion_sort(&mut self.points[bucket]);
        }
    }

    /// The first point at or after a hash; beyond the last it is the first again.
    fn find(&self, hash: u64) -> Option<usize> {
        if self.points.is_empty() {
            return None;
        }
        let mut at = self.buckets[(hash >> self.shift) as usize] as usize;
        while self.points.get(at).is_some_and(|&point| point < hash) {
            at += 1;
        }
        Some(if at == self.points.len() { 0 } else { at })
    }

    fn owner(&self, at: usize) -> u32 {
        (self.points[at] & OWNER) as u32
    }

    fn owners_from(&self, start: usize) -> impl Iterator<Item = u32> {
        let (before, after) = self.points.split_at(start);
        after.iter().chain(before).map(|point| (point & OWNER) as u32)
    }
}

fn insertion_sort(points: &mut [u64]) {
    for end in 1..points.len() {
        let mut at = end;
        while at > 0 && points[at - 1] > points[at] {
            points.swap(at - 1, at);
            at -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, Table, endpoints, keyed_picks, moved_share};
    use std::collections::BTreeSet;
    use std::{format, vec};

    fn strategy(config: ConsistentHashConfig, weights: &[u32]) -> ConsistentHash {
        let mut strategy = ConsistentHash::new(config, 1).unwrap();
        endpoints(weights, |list| strategy.set_endpoints(list));
        strategy
    }

    #[test]
    fn the_ring_is_sorted_and_the_index_finds_what_a_search_finds() {
        let ring = strategy(ConsistentHashConfig::default(), &[1; 100]).ring;
        assert!(ring.points.is_sorted());
        assert_eq!(ring.points.len(), 15_000);
        let mut rng = Rng::new(9);
        for _ in 0..10_000 {
            let hash = rng.next_u64();
            let searched = ring.points.partition_point(|&point| point < hash);
            assert_eq!(ring.find(hash), Some(searched % ring.points.len()));
        }
        assert_eq!(ring.find(u64::MAX), Some(0));
        for (at, &point) in ring.points.iter().enumerate() {
            assert_eq!(ring.find(point), Some(at), "a point is at its own place, not after it");
        }
    }

    #[test]
    fn shares_are_near_the_weights() {
        let config = ConsistentHashConfig { virtual_nodes: 2000, ..Default::default() };
        let picks = keyed_picks(&mut strategy(config, &[1, 2, 3, 4]), 100_000);
        for (index, weight) in [1.0, 2.0, 3.0, 4.0].into_iter().enumerate() {
            let share = picks.iter().filter(|&&i| i as usize == index).count() as f64 / 100_000.0;
            assert!((share / (weight / 10.0) - 1.0).abs() < 0.1, "{index}: {share}");
        }
    }

    #[test]
    fn one_that_goes_moves_its_own_keys_alone() {
        let moved =
            moved_share(|| ConsistentHash::new(ConsistentHashConfig::default(), 0).unwrap(), 20, 7);
        assert_eq!(moved.others, 0);
        assert!(moved.share < 1.0 / 20.0 + 0.05, "{moved:?}");
    }

    #[test]
    fn no_endpoint_exceeds_its_bound() {
        for weights in [vec![1; 10], vec![1, 1, 1, 5, 8]] {
            let mut host = Table { active: vec![0; weights.len()], ..Table::default() };
            let mut strategy = strategy(ConsistentHashConfig::default(), &weights);
            let total: u32 = weights.iter().sum();
            let placed = 20_000;
            for i in 0..placed {
                // Half of all requests are for one key.
                let key = if i % 2 == 0 { 42 } else { mix(i) };
                let index = strategy.pick(key, 0, &host).unwrap();
                host.active[index as usize] += 1;
            }
            for (active, weight) in host.active.iter().zip(&weights) {
                let share = f64::from(*weight) / f64::from(total) * placed as f64;
                assert!(f64::from(*active) <= 1.25 * share + 1.0, "{:?}", host.active);
            }
        }
    }

    #[test]
    fn light_traffic_keeps_its_affinity() {
        let mut host = Table { active: vec![0; 10], ..Table::default() };
        let mut strategy = strategy(ConsistentHashConfig::default(), &[1; 10]);
        let owner = strategy.pick(42, 0, &host).unwrap();
        for _ in 0..8 {
            assert_eq!(strategy.pick(42, 0, &host), Some(owner));
            host.active[owner as usize] += 1;
        }
        assert_ne!(strategy.pick(42, 0, &host), Some(owner));
    }

    #[test]
    fn retries_visit_all() {
        let mut strategy = strategy(ConsistentHashConfig::default(), &[1; 5]);
        for key in 1..100 {
            let visited: BTreeSet<_> = (0..5).map(|k| strategy.pick(key, k, &Idle)).collect();
            assert_eq!(visited.len(), 5, "{key}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let with = |virtual_nodes, load_factor| {
            let config = ConsistentHashConfig { virtual_nodes, load_factor, min_load: 0 };
            ConsistentHash::new(config, 0).is_ok()
        };
        assert!(with(1, None) && with(1, Some(1.1)));
        assert!(!with(0, None) && !with(1, Some(1.0)) && !with(1, Some(f64::NAN)));
    }

    #[test]
    fn huge_lists_keep_within_memory() {
        let ids: Vec<_> = (0..20_000).map(|i| format!("e{i}")).collect();
        let list: Vec<_> = ids
            .iter()
            .map(|id| Endpoint { id, address: "", weight: 65_535, zone: "", region: "" })
            .collect();
        let mut strategy = ConsistentHash::new(ConsistentHashConfig::default(), 0).unwrap();
        strategy.set_endpoints(&list);
        assert!(strategy.ring.points.len() as u64 <= MAX_POINTS + 20_000);
    }
}
