//! Who of a service's candidates takes requests right now: those who are well and on duty, newly
//! recovered ones with a growing share; everybody when too few are well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::members::Candidate;
use crate::balance::{EndpointSet, Member};
use crate::config::Health;
use crate::health::state::{Spread, ramp, spread};
use crate::model::{Duty, Endpoint, EndpointId, HealthStatus, Weight};
use crate::proxy::Backgrounds;

/// While somebody's share grows, all weights are this much larger, so that a part of a weight of 1
/// is a whole number.
const FINER: u32 = 100;

/// What is remembered of a service's endpoints from one turn to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Rotation {
    /// They were critical when last looked at.
    out: BTreeSet<EndpointId>,
    /// They recovered, then.
    recovered: BTreeMap<EndpointId, Instant>,
    panicking: bool,
}

/// What a turn gave.
pub(super) struct Turn {
    pub set: EndpointSet,
    pub backgrounds: Backgrounds,
    /// When a share grows next.
    pub next: Option<Instant>,
    /// Whether it went from spreading over the well to spreading over all, or back.
    pub panic_changed: Option<bool>,
    /// Of those on duty, how many are well.
    pub well: usize,
    pub on_duty: usize,
}

impl Rotation {
    /// Whether requests go to all, as too few are well.
    pub(super) fn is_panicking(&self) -> bool {
        self.panicking
    }

    /// Takes stock of `candidates`.
    pub(super) fn turn(
        &mut self,
        candidates: Vec<Candidate>,
        health: &Health,
        now: Instant,
    ) -> Turn {
        let on_duty: Vec<&Candidate> = candidates
            .iter()
            .filter(|c| c.duty == Duty::Active && c.endpoint.weight != Weight::ZERO)
            .collect();
        let is_well = |c: &Candidate| c.status != HealthStatus::Critical;
        self.note_recoveries(&on_duty, health, now);
        let well = on_duty.iter().filter(|c| is_well(c)).count();
        let count = on_duty.len();
        let panics = spread(well, count, health.panic_percent) == Spread::Panic;
        let panic_changed = (panics != self.panicking).then_some(panics);
        self.panicking = panics;

        let largest = on_duty.iter().map(|c| c.endpoint.weight.get()).max().unwrap_or(0);
        let finer = match self.recovered.is_empty() {
            true => 1,
            false => FINER.min(u32::from(u16::MAX) / largest.max(1)).max(1),
        };
        let mut next: Option<Instant> = None;
        let mut backgrounds = Backgrounds::new();
        let mut members = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let takes_requests = candidate.duty == Duty::Active && (panics || is_well(&candidate));
            let Candidate { endpoint, address, state, background, .. } = candidate;
            let whole = (endpoint.weight.get() * finer).into();
            let whole = Weight::new(whole).unwrap_or(endpoint.weight);
            let weight = match self.recovered.get(&endpoint.id) {
                _ if !takes_requests => Weight::ZERO, // listed, so that what is known of it stays
                Some(&since) => {
                    let ramped = ramp(whole, since, now, health.slow_start);
                    next = [next, ramped.next].into_iter().flatten().min();
                    ramped.weight
                }
                None => whole,
            };
            backgrounds.insert(endpoint.id.clone(), background);
            members.push(Member { endpoint: Endpoint { weight, ..endpoint }, address, state });
        }
        let set = EndpointSet::new(members);
        Turn { set, backgrounds, next, panic_changed, well, on_duty: count }
    }

    fn note_recoveries(&mut self, on_duty: &[&Candidate], health: &Health, now: Instant) {
        let mut out = BTreeSet::new();
        for Candidate { endpoint, status, .. } in on_duty {
            if *status == HealthStatus::Critical {
                self.recovered.remove(&endpoint.id);
                out.insert(endpoint.id.clone());
            } else if self.out.contains(&endpoint.id) && !health.slow_start.is_zero() {
                self.recovered.insert(endpoint.id.clone(), now);
            }
        }
        self.out = out;
        self.recovered.retain(|id, since| {
            now.duration_since(*since) < health.slow_start
                && on_duty.iter().any(|c| c.endpoint.id == *id)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Map;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::model::{InstanceId, InstanceKey, ServiceKey, ServiceName};
    use crate::proxy::Background;

    const CRITICAL: HealthStatus = HealthStatus::Critical;
    const PASSING: HealthStatus = HealthStatus::Passing;

    fn candidate(id: &str, status: HealthStatus) -> Candidate {
        let service = ServiceKey::in_default(ServiceName::new("web").unwrap());
        let subject = InstanceKey { service, id: InstanceId::new(id).unwrap() };
        Candidate {
            endpoint: Endpoint {
                id: EndpointId::new(id).unwrap(),
                host: "127.0.0.1".to_owned(),
                port: 1,
                weight: Weight::new(1).unwrap(),
                zone: String::new(),
                region: String::new(),
                metadata: Map::new(),
            },
            address: ([127, 0, 0, 1], 1).into(),
            state: Arc::default(),
            background: Arc::new(Background { subject, notice: None }),
            duty: Duty::Active,
            status,
        }
    }

    fn candidates(statuses: &[HealthStatus]) -> Vec<Candidate> {
        let each = statuses.iter().enumerate();
        each.map(|(index, status)| candidate(&format!("e{index}"), *status)).collect()
    }

    /// Ids with their weights.
    fn shares(turn: &Turn) -> Vec<(&str, u32)> {
        let members = turn.set.members().iter();
        members.map(|m| (m.endpoint.id.as_str(), m.endpoint.weight.get())).collect()
    }

    #[test]
    fn the_critical_and_the_resting_are_left_out_but_not_forgotten() {
        let mut rotation = Rotation::default();
        let mut three = candidates(&[PASSING, CRITICAL, PASSING]);
        three[2].duty = Duty::Draining;
        let state = three[1].state.clone();
        let turn = rotation.turn(three, &Health::default(), Instant::now());
        assert_eq!(shares(&turn), [("e0", 1)]);
        let kept = turn.set.state(&EndpointId::new("e1").unwrap()).unwrap();
        assert!(Arc::ptr_eq(&kept, &state));
        assert!(!rotation.is_panicking());
    }

    #[test]
    fn when_too_few_are_well_all_are_used_but_those_off_duty() {
        let mut rotation = Rotation::default();
        let mut four = candidates(&[PASSING, CRITICAL, CRITICAL, PASSING]);
        four[3].duty = Duty::Maintenance { reason: "upgrade".to_owned() };
        let turn = rotation.turn(four, &Health::default(), Instant::now());
        assert_eq!(shares(&turn), [("e0", 1), ("e1", 1), ("e2", 1)]);
        assert_eq!(turn.panic_changed, Some(true));
        let turn = rotation.turn(candidates(&[PASSING; 3]), &Health::default(), Instant::now());
        assert_eq!(turn.panic_changed, Some(false));
    }

    #[test]
    fn a_share_grows_after_a_recovery_and_only_then() {
        let health = Health { slow_start: Duration::from_secs(100), ..Health::default() };
        let mut rotation = Rotation::default();
        let begun = Instant::now();
        let turn = rotation.turn(candidates(&[PASSING, CRITICAL]), &health, begun);
        assert_eq!((shares(&turn), turn.next), (vec![("e0", 1)], None), "nobody recovered");
        let turn = rotation.turn(candidates(&[PASSING, PASSING]), &health, begun);
        assert_eq!(shares(&turn), [("e0", 100), ("e1", 10)]);
        assert_eq!(turn.next, Some(begun + Duration::from_secs(10)));
        let later = begun + Duration::from_secs(55);
        let turn = rotation.turn(candidates(&[PASSING, PASSING]), &health, later);
        assert_eq!(shares(&turn), [("e0", 100), ("e1", 60)]);
        let over = begun + Duration::from_secs(100);
        let turn = rotation.turn(candidates(&[PASSING, PASSING]), &health, over);
        assert_eq!((shares(&turn), turn.next), (vec![("e0", 1), ("e1", 1)], None));
    }
}
