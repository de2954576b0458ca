//! Who depends on whom: a failing dependency is the cause, and its dependents' alerts are what follows.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Labels;

/// Labels that say whom an alert is about.
const SERVICE: &str = "service";
const NAMESPACE: &str = "namespace";
const DEFAULT_NAMESPACE: &str = "default";

/// A service: its namespace and its name.
pub(super) type Node = (String, String);

/// For each service all that it needs, near and far, but for those that need it as well.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    causes: BTreeMap<Node, BTreeSet<Node>>,
    /// The same, seen from those that are needed.
    dependents: BTreeMap<Node, BTreeSet<Node>>,
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
        let mut dependents: BTreeMap<Node, BTreeSet<Node>> = BTreeMap::new();
        for (node, causes) in &causes {
            for cause in causes {
                dependents.entry(cause.clone()).or_default().insert(node.clone());
            }
        }
        Self { causes, dependents }
    }

    /// Whether nobody needs anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.dependents.is_empty()
    }

    /// The services that `node` needs.
    pub(super) fn causes(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.causes.get(node).into_iter().flatten()
    }

    /// The services that need `node`.
    pub(super) fn dependents(&self, node: &Node) -> impl Iterator<Item = &Node> {
        self.dependents.get(node).into_iter().flatten()
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

/// The service that an alert is about.
pub(super) fn service(labels: &Labels) -> Option<Node> {
    let name = labels.get(SERVICE).filter(|name| !name.is_empty())?;
    let namespace = labels.get(NAMESPACE).map_or(DEFAULT_NAMESPACE, String::as_str);
    Some((namespace.to_owned(), name.clone()))
}
