//! Geographic: the same zone first, then the same region, then anywhere; no nearer tier more than it
//! can bear.
//!
//! A strategy is only ever given the endpoints that may be picked, so what a zone has lost must be judged
//! from what is left. The rule: traffic is taken to come evenly to all zones, so a zone's *demand* is
//! the sum of all weights divided by the number of zones that have endpoints (or `demand`, where the
//! operator knows better). A tier may take up to its own weight / (`min_share` × demand) of
//! the requests: with the default 0.7 a near zone keeps everything down to 70 % of its
//! demand, at 35 % it keeps half, and the next tier takes what is left by the same rule; when every tier
//! has taken what it may, the rest is shared in proportion. This is Envoy's spill-over between
//! priority levels, whose over-provisioning factor of 1.4 is 1 / 0.7. No memory of earlier lists
//! is needed, so all slots and proxies decide alike, also the one that has just started.
//!
//! Tiers, and endpoints within a tier, take smooth weighted turns (see `weighted_round_robin`): O(n) for the
//! n of the tier.
//!
//! A retry widens: the k-th is given an endpoint of the tier where the k-th nearest stands, not
//! the one that this instance named last.
//!
//! When not to use it: zones of very unequal size with traffic that is unequal in the same way, unless
//! `demand` is set: the small zone seems to have lost endpoints, and spills.

use alloc::string::String;
use alloc::vec::Vec;

use crate::api::{Endpoint, Host, Strategy};
use crate::carry::Carry;
use crate::share::Smooth;

/// What an operator may set.
#[derive(Debug, Clone, PartialEq)]
pub struct GeographicConfig {
    /// The zone of this proxy; empty = unknown, nothing is in the same zone.
    pub zone: String,
    /// The region of this proxy; empty = unknown, nothing is in the same region but by its zone.
    pub region: String,
    /// The share of the demand that a tier must be able to bear to keep all of it, above 0 up to 1. Default 0.7.
    pub min_share: f64,
    /// The weight that carries this zone's traffic; none = the sum of all weights / the number of zones.
    pub demand: Option<u32>,
}

impl Default for GeographicConfig {
    fn default() -> Self {
        Self { zone: String::new(), region: String::new(), min_share: 0.7, demand: None }
    }
}

/// Same zone, same region, elsewhere.
const TIERS: usize = 3;

/// Shares of tiers are cut into so many parts.
const PARTS: f64 = 10_000.0;

/// See the [module documentation](self).
#[derive(Debug)]
pub struct Geographic {
    config: GeographicConfig,
    carry: Carry,
    /// Where each endpoint of the list stands: its tier, and its place in it.
    places: Vec<(usize, u32)>,
    tiers: [Tier; TIERS],
    /// Turns between tiers.
    between: Smooth,
    last: Option<u32>,
}

#[derive(Debug, Default)]
struct Tier {
    members: Vec<u32>,
    turns: Smooth,
}

impl Geographic {
    /// No endpoints yet; or why the configuration cannot be.
    pub fn new(config: GeographicConfig) -> Result<Self, &'static str> {
        if !(config.min_share > 0.0 && config.min_share <= 1.0) {
            return Err("`min_share` must be above 0, and 1 at most");
        }
        if config.demand == Some(0) {
            return Err("`demand` must be 1 or more");
        }
        Ok(Self {
            config,
            carry: Carry::default(),
            places: Vec::new(),
            tiers: Default::default(),
            between: Smooth::default(),
            last: None,
        })
    }

    fn tier_of(&self, endpoint: &Endpoint<'_>) -> usize {
        let GeographicConfig { zone, region, .. } = &self.config;
        // Short zone names such as `a` recur in other regions.
        let same_or_unknown = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
        if !zone.is_empty() && zone == endpoint.zone && same_or_unknown(region, endpoint.region) {
            0
        } else if !region.is_empty() && region == endpoint.region {
            1
        } else {
            2
        }
    }

    /// The tier where the `attempt`-th nearest endpoint stands.
    fn tier_of_retry(&self, attempt: u32) -> usize {
        let mut nth = attempt as usize % self.places.len().max(1);
        for (at, tier) in self.tiers.iter().enumerate() {
            if nth < tier.members.len() {
                return at;
            }
            nth -= tier.members.len();
        }
        TIERS - 1
    }
}

/// Parts of the requests for each tier, nearest first.
fn shares(weights: [u64; TIERS], demand: f64, min_share: f64) -> [i64; TIERS] {
    let mut left = PARTS;
    weights.map(|weight| {
        let most = weight as f64 / (min_share * demand) * PARTS;
        let share = most.min(left);
        left -= share;
        share as i64
    })
}

impl Strategy for Geographic {
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]) {
        let before = self.carry.replace(endpoints);
        let old = core::mem::take(&mut self.places);

        let mut members: [Vec<u32>; TIERS] = Default::default();
        for (index, endpoint) in (0..).zip(endpoints) {
            let tier = self.tier_of(endpoint);
            self.places.push((tier, members[tier].len() as u32));
            members[tier].push(index);
        }
        let mut weights = [0; TIERS];
        for (at, members) in members.into_iter().enumerate() {
            let weight = |&i: &u32| i64::from(endpoints[i as usize].share());
            let was = |&i: &u32| {
                let (tier, place) = *old.get(before[i as usize]? as usize)?;
                (tier == at).then_some(place)
            };
            let before: Vec<Option<u32>> = members.iter().map(was).collect();
            let tier = &mut self.tiers[at];
            tier.turns.set(members.iter().map(weight).collect(), &before);
            weights[at] = members.iter().map(weight).sum::<i64>() as u64;
            tier.members = members;
        }

        let mut zones: Vec<(&str, &str)> = Vec::new();
        for endpoint in endpoints {
            let zone = (endpoint.region, endpoint.zone);
            // The last first: lists come grouped by zone more often than not.
            if !zones.iter().rev().any(|&known| known == zone) {
                zones.push(zone);
            }
        }
        let fair = weights.iter().sum::<u64>() as f64 / zones.len().max(1) as f64;
        let demand = self.config.demand.map_or(fair, f64::from).max(1.0);
        let shares = shares(weights, demand, self.config.min_share);
        self.between.set(shares.to_vec(), &[Some(0), Some(1), Some(2)]);
        self.last = None;
    }

    fn pick<H: Host + ?Sized>(&mut self, _key: u64, attempt: u32, _host: &H) -> Option<u32> {
        let at = match attempt {
            0 => self.between.next()? as usize,
            _ => self.tier_of_retry(attempt),
        };
        let tier = &mut self.tiers[at];
        let mut index = tier.members.get(tier.turns.next()? as usize).copied();
        if attempt > 0 {
            for _ in 0..tier.members.len() {
                if index != self.last {
                    break;
                }
                index = tier.members.get(tier.turns.next()? as usize).copied();
            }
        }
        self.last = index;
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Idle, picks};
    use std::vec;

    /// Endpoints by `zone@region`, in region `r` zone `a` of the proxy.
    fn check(places: &[&str], expected_percent: &[u32]) {
        let config =
            GeographicConfig { zone: "a".into(), region: "r".into(), ..Default::default() };
        let mut strategy = Geographic::new(config).unwrap();
        let ids: Vec<_> = (0..places.len()).map(|i| std::format!("e{i}")).collect();
        let list: Vec<_> = places
            .iter()
            .zip(&ids)
            .map(|(place, id)| {
                let (zone, region) = place.split_once('@').unwrap();
                Endpoint { id, address: "", weight: 1, zone, region }
            })
            .collect();
        strategy.set_endpoints(&list);
        let mut counts = vec![0; places.len()];
        for index in picks(&mut strategy, 1000) {
            counts[index as usize] += 1;
        }
        for (count, percent) in counts.iter().zip(expected_percent) {
            assert!((count - *percent as i32 * 10).abs() <= 10, "{places:?}: {counts:?}");
        }
    }

    #[test]
    fn the_near_zone_takes_all_while_it_can() {
        check(&["a@r", "a@r", "b@r", "b@r", "c@s", "c@s"], &[50, 50, 0, 0, 0, 0]);
    }

    #[test]
    fn a_near_zone_that_lost_endpoints_spills_to_its_region_first() {
        // Demand 9 / 3 zones = 3; one of it left bears 1 / (0.7 × 3) = 48 %.
        check(
            &["a@r", "b@r", "b@r", "b@r", "b@r", "c@s", "c@s", "c@s", "c@s"],
            &[48, 13, 13, 13, 13, 0, 0, 0, 0],
        );
    }

    #[test]
    fn without_a_near_zone_the_region_takes_over() {
        check(&["b@r", "b@r", "c@s", "c@s"], &[50, 50, 0, 0]);
        check(&["c@s", "c@s"], &[50, 50]);
        check(&["@", "@"], &[50, 50]);
    }

    #[test]
    fn the_same_zone_name_in_another_region_is_not_near() {
        check(&["a@s", "b@r"], &[0, 100]);
    }

    #[test]
    fn a_retry_widens() {
        let config =
            GeographicConfig { zone: "a".into(), region: "r".into(), ..Default::default() };
        let mut strategy = Geographic::new(config).unwrap();
        let at = |id, zone, region| Endpoint { id, address: "", weight: 1, zone, region };
        strategy.set_endpoints(&[at("x", "c", "s"), at("y", "b", "r"), at("z", "a", "r")]);
        let order = [0, 1, 2].map(|attempt| strategy.pick(0, attempt, &Idle));
        assert_eq!(order, [Some(2), Some(1), Some(0)]);
    }

    #[test]
    fn shares_cascade() {
        assert_eq!(shares([10, 10, 10], 10.0, 0.7), [10_000, 0, 0]);
        assert_eq!(shares([0, 35, 100], 100.0, 0.7), [0, 5000, 5000]);
        // Nobody can bear it: what each may take is its share.
        assert_eq!(shares([7, 7, 0], 100.0, 0.7), [1000, 1000, 0]);
    }
}
