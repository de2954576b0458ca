//! Who is not told of right now, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::inhibition::Sources;
use super::plan::Plan;
use super::severity::severity;
use super::silence::Silence;
use super::topology::{Node, Topology, service};
use crate::model::{Labels, UnixMillis};

/// Why an alert is not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mute {
    /// By the silence with this id.
    Silenced(String),
    /// By another alert, with these labels, that a configured inhibition names.
    Inhibited(Labels),
    /// It follows from the failure of something that its service needs, of which this alert tells.
    Explained(Labels),
}

/// Everything that fires, arranged for the question: an answer does not depend on how much that is.
pub(super) struct Muting<'a> {
    silences: Vec<&'a Silence>,
    inhibitions: Vec<Sources<'a>>,
    /// For each service the worst and the mildest of its alerts; empty if topology is not asked.
    services: BTreeMap<Node, Extremes<'a>>,
    topology: &'a Topology,
}

struct Extremes<'a> {
    worst: &'a Labels,
    mildest: &'a Labels,
}

impl<'a> Muting<'a> {
    pub fn new(
        firing: impl Iterator<Item = &'a Labels> + Clone,
        silences: impl Iterator<Item = &'a Silence>,
        plan: &'a Plan,
        topology: &'a Topology,
        now: UnixMillis,
    ) -> Self {
        let inhibitions = plan.inhibitions.iter();
        let inhibitions = inhibitions.map(|i| Sources::new(i, firing.clone())).collect();
        let asks = plan.by_topology && !topology.is_empty();
        let services = if asks { extremes(firing) } else { BTreeMap::new() };
        let silences = silences.filter(|silence| silence.is_active(now)).collect();
        Self { silences, inhibitions, services, topology }
    }

    /// Why an alert with these labels is not told of; `None` = it is.
    pub fn of(&self, labels: &Labels) -> Option<Mute> {
        if let Some(silence) = self.silences.iter().find(|s| s.matchers.matches(labels)) {
            return Some(Mute::Silenced(silence.id.clone()));
        }
        if let Some(source) = self.inhibitions.iter().find_map(|sources| sources.mute(labels)) {
            return Some(Mute::Inhibited(source.clone()));
        }
        if self.services.is_empty() {
            return None;
        }
        // What is milder than its effect does not explain it.
        let node = service(labels)?;
        let causes = self.topology.causes(&node).filter_map(|cause| self.services.get(cause));
        let mut causes = causes.map(|cause| cause.worst);
        let cause = causes.find(|cause| severity(cause) >= severity(labels))?;
        Some(Mute::Explained(cause.clone()))
    }

    /// The services of which alerts are not told because one with these labels fires.
    pub fn explained(&self, labels: &Labels) -> BTreeSet<&str> {
        let Some(node) = service(labels) else { return BTreeSet::new() };
        let dependents = self.topology.dependents(&node).filter(|dependent| {
            let effect = self.services.get(*dependent).map(|effect| effect.mildest);
            effect.is_some_and(|effect| severity(labels) >= severity(effect))
        });
        dependents.map(|(_, name)| name.as_str()).collect()
    }
}

fn extremes<'a>(firing: impl Iterator<Item = &'a Labels>) -> BTreeMap<Node, Extremes<'a>> {
    let mut services: BTreeMap<Node, Extremes<'a>> = BTreeMap::new();
    for labels in firing {
        let Some(node) = service(labels) else { continue };
        let known = services.entry(node).or_insert(Extremes { worst: labels, mildest: labels });
        if severity(labels) > severity(known.worst) {
            known.worst = labels;
        }
        if severity(labels) < severity(known.mildest) {
            known.mildest = labels;
        }
    }
    services
}
