//! Who of a service's candidates takes requests right now: those who are well and on duty, newly
//! recovered ones with a growing share; everybody when too few are well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::members::Candidate;
use crate::balance::{EndpointSet, Member};
use crate::config::Health;
use crate::health::state::{self, Routing};
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
        let on_duty: Vec<Candidate> = candidates
            .into_iter()
            .filter(|c| c.duty == Duty::Active && c.endpoint.weight != Weight::ZERO)
            .collect();
        let is_well = |c: &Candidate| c.status != HealthStatus::Critical;
        self.note_recoveries(&on_duty, health, now);
        let well = on_duty.iter().filter(|c| is_well(c)).count();
        let panics = state::routing(well, on_duty.len(), health.panic_percent) == Routing::Panic;
        let panic_changed = (panics != self.panicking).then_some(panics);
        self.panicking = panics;

        let taken: Vec<Candidate> = on_duty.into_iter().filter(|c| panics || is_well(c)).collect();
        let finer = match self.recovered.is_empty() {
            true => 1,
            false => FINER.min(u32::from(u16::MAX) / largest(&taken).max(1)).max(1),
        };
        let mut next: Option<Instant> = None;
        let mut backgrounds = Backgrounds::new();
        let members = taken.into_iter().map(|candidate| {
            let Candidate { endpoint, address, state, background, .. } = candidate;
            let whole = endpoint.weight.get() * finer;
            let weight = match self.recovered.get(&endpoint.id) {
                Some(&since) => {
                    let ramp = state::ramp(whole, since, now, health.slow_start);
                    next = [next, ramp.next].into_iter().flatten().min();
                    ramp.weight
                }
                None => whole,
            };
            backgrounds.insert(endpoint.id.clone(), background);
            let weight = Weight::new(weight.into()).unwrap_or(endpoint.weight);
            Member { endpoint: Endpoint { weight, ..endpoint }, address, state }
        });
        let members: Vec<Member> = members.collect();
        Turn { set: EndpointSet::new(members), backgrounds, next, panic_changed }
    }

    fn note_recoveries(&mut self, on_duty: &[Candidate], health: &Health, now: Instant) {
        let mut out = BTreeSet::new();
        for Candidate { endpoint, status, .. } in on_duty {
            if *status == HealthStatus::Critical {
                self.recovered.remove(&endpoint.id);
                out.insert(endpoint.id.clone());
            } else if self.out.contains(&endpoint.id) {
                if !health.slow_start.is_zero() {
                    self.recovered.insert(endpoint.id.clone(), now);
                }
            }
        }
        self.out = out;
        self.recovered.retain(|id, since| {
            now.duration_since(*since) < health.slow_start
                && on_duty.iter().any(|c| c.endpoint.id == *id)
        });
    }
}

fn largest(candidates: &[Candidate]) -> u32 {
    candidates.iter().map(|c| c.endpoint.weight.get()).max().unwrap_or(0)
}
