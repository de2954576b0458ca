//! Who is not told of right now, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::inhibition::Inhibition;
use super::plan::Plan;
use super::silence::Silence;
use super::topology::Topology;
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

/// Everything that fires, arranged for the question.
pub(super) struct Muting<'a> {
    silences: Vec<&'a Silence>,
    inhibitions: Vec<(&'a Inhibition, HashMap<Vec<&'a str>, Vec<&'a Labels>>)>,
    /// Alerts that may explain others: those about a service.
    causes: Vec<&'a Labels>,
    topology: &'a Topology,
}

impl<'a> Muting<'a> {
    pub fn new(
        firing: impl Iterator<Item = &'a Labels> + Clone,
        silences: impl Iterator<Item = &'a Silence>,
        plan: &'a Plan,
        topology: &'a Topology,
        now: UnixMillis,
    ) -> Self {
        let inhibitions = plan.inhibitions.iter().map(|inhibition| {
            let mut sources: HashMap<Vec<&str>, Vec<&Labels>> = HashMap::new();
            for labels in firing.clone().filter(|labels| inhibition.source.matches(labels)) {
                sources.entry(inhibition.equal_of(labels)).or_default().push(labels);
            }
            (inhibition, sources)
        });
        let inhibitions = inhibitions.collect();
        let causes = match plan.by_topology {
            true => firing.filter(|labels| topology.is_cause(labels)).collect(),
            false => Vec::new(),
        };
        let silences = silences.filter(|silence| silence.is_active(now)).collect();
        Self { silences, inhibitions, causes, topology }
    }

    /// Why an alert with these labels is not told of; `None` = it is.
    pub fn of(&self, labels: &Labels) -> Option<Mute> {
        if let Some(silence) = self.silences.iter().find(|s| s.matchers.matches(labels)) {
            return Some(Mute::Silenced(silence.id.clone()));
        }
        for (inhibition, sources) in &self.inhibitions {
            let equals = sources.get(&inhibition.equal_of(labels)).into_iter().flatten();
            let mut equals = equals.copied();
            if let Some(source) = equals.find(|source| inhibition.mutes(source, labels)) {
                return Some(Mute::Inhibited(source.clone()));
            }
        }
        if !self.topology.knows(labels) {
            return None;
        }
        let mut causes = self.causes.iter();
        let cause = causes.find(|cause| self.topology.explains(cause, labels))?;
        Some(Mute::Explained((*cause).clone()))
    }

    /// For each alert that explains others, the services that those are about.
    pub fn explained(
        &self,
        firing: impl Iterator<Item = &'a Labels>,
    ) -> BTreeMap<&'a Labels, BTreeSet<&'a str>> {
        let mut explained: BTreeMap<&Labels, BTreeSet<&str>> = BTreeMap::new();
        for target in firing.filter(|labels| self.topology.knows(labels)) {
            for cause in self.causes.iter().filter(|c| self.topology.explains(c, target)) {
                let service = target.get("service").map_or("", String::as_str);
                explained.entry(cause).or_default().insert(service);
            }
        }
        explained
    }
}
