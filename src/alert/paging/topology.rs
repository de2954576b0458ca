//! Who depends on whom: a failing dependency is the cause, and its dependents' alerts are what follows.

use std::collections::{BTreeMap, BTreeSet};

use super::severity::severity;
use crate::model::Labels;

/// Labels that say whom an alert is about.
const SERVICE: &str = "service";
const NAMESPACE: &str = "namespace";
const DEFAULT_NAMESPACE: &str = "default";

/// A service: its namespace and its name.
type Node = (String, String);

/// For each service all that it needs, near and far, but for those that need it as well.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    causes: BTreeMap<Node, BTreeSet<Node>>,
    /// Every service that is a cause to another.
    needed: BTreeSet<Node>,
}

impl Topology {
    /// From what each service declares.
    pub fn new(declared: &BTreeMap<Node, BTreeSet<Node>>) -> Self {
        let all: BTreeMap<&Node, BTreeSet<&Node>> =
            declared.keys().map(|node| (node, reached(node, declared))).collect();
        let needs = |one: &Node, other: &Node| all.get(one).is_some_and(|set| set.contains(other));
        let causes = all.iter().map(|(node, reached)| {
            // In a circle everybody would be excused by everybody.
            let causes = reached.iter().filter(|cause| !needs(cause, node));
            ((*node).clone(), causes.map(|cause| (*cause).clone()).collect())
        });
        let causes: BTreeMap<Node, BTreeSet<Node>> = causes.collect();
        let needed = causes.values().flatten().cloned().collect();
        Self { causes, needed }
    }

    /// Whether an alert with labels `source` explains one with labels `target`: it is about a service that
    /// the other's needs, and no milder.
    pub fn explains(&self, source: &Labels, target: &Labels) -> bool {
        let (Some(cause), Some(node)) = (service(source), service(target)) else { return false };
        self.causes.get(&node).is_some_and(|causes| causes.contains(&cause))
            && severity(source) >= severity(target)
    }

    /// Whether an alert with these labels may be explained by another.
    pub(super) fn knows(&self, target: &Labels) -> bool {
        let causes = service(target).and_then(|node| self.causes.get(&node));
        causes.is_some_and(|causes| !causes.is_empty())
    }

    /// Whether an alert with these labels may explain others.
    pub(super) fn is_cause(&self, source: &Labels) -> bool {
        service(source).is_some_and(|node| self.needed.contains(&node))
    }
}

/// Everything that can be come to from `from`, without it.
fn reached<'d>(from: &Node, declared: &'d BTreeMap<Node, BTreeSet<Node>>) -> BTreeSet<&'d Node> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Node> = declared.get(from).into_iter().flatten().collect();
    while let Some(node) = open.pop() {
        if node != from && reached.insert(node) {
            open.extend(declared.get(node).into_iter().flatten());
        }
    }
    reached
}

fn service(labels: &Labels) -> Option<Node> {
    let name = labels.get(SERVICE).filter(|name| !name.is_empty())?;
    let namespace = labels.get(NAMESPACE).map_or(DEFAULT_NAMESPACE, String::as_str);
    Some((namespace.to_owned(), name.clone()))
}
