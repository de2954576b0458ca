//! Who depends on whom, as the registry has it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::paging::Topology;
use crate::model::ServiceKey;
use crate::registry::Snapshot;

/// What services declare.
pub(super) fn topology(snapshot: &Snapshot) -> Topology {
    let node = |key: &ServiceKey| (key.namespace.to_string(), key.name.to_string());
    let views = snapshot.services.values();
    let declared: BTreeMap<_, BTreeSet<_>> = views
        .filter(|view| !view.record.dependencies.is_empty())
        .map(|view| (node(&view.record.key), view.record.dependencies.iter().map(node).collect()))
        .collect();
    Topology::new(&declared)
}
