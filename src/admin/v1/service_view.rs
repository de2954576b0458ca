//! A service, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::deprecation::DeprecationView;
use super::instance_view::CheckView;
use crate::model::{Duty, HealthStatus};
use crate::registry::ServiceView as Known;

/// A service without its instances.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceView {
    pub namespace: String,
    pub name: String,
    /// Operated on together with the others of this group.
    pub group: Option<String>,
    /// `api`, `database`, `queue`; empty when nobody said.
    pub kind: String,
    /// What its instances speak where they do not say.
    pub protocol: String,
    /// The services that it does not work without, as `namespace/name`.
    pub dependencies: Vec<String>,
    pub tags: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// The team or person to call.
    pub owner: String,
    /// How its instances are checked, beside what the configuration says of it.
    pub checks: Vec<CheckView>,
    pub deprecations: Vec<DeprecationView>,
    /// Somebody described it, so it stays when its last instance has left.
    pub described: bool,
    pub instances: Counts,
    /// Of the newest change to it or any of its instances; its `ETag`.
    pub index: u64,
}

/// How many instances of which sort.
#[derive(Debug, Default, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Counts {
    pub total: usize,
    /// May be given requests.
    pub eligible: usize,
    pub passing: usize,
    pub warning: usize,
    pub critical: usize,
    pub maintenance: usize,
    pub draining: usize,
}

impl Counts {
    /// Counts those of another service in.
    pub fn add(&mut self, other: Self) {
        let Self { total, eligible, passing, warning, critical, maintenance, draining } = other;
        self.total += total;
        self.eligible += eligible;
        self.passing += passing;
        self.warning += warning;
        self.critical += critical;
        self.maintenance += maintenance;
        self.draining += draining;
    }

    pub fn of(service: &Known) -> Self {
        let mut counts = Self::default();
        for instance in service.instances.values() {
            counts.total += 1;
            counts.eligible += usize::from(instance.is_eligible());
            match instance.health.status {
                HealthStatus::Passing => counts.passing += 1,
                HealthStatus::Warning => counts.warning += 1,
                HealthStatus::Critical => counts.critical += 1,
            }
            match instance.duty {
                Duty::Active => {}
                Duty::Maintenance { .. } => counts.maintenance += 1,
                Duty::Draining => counts.draining += 1,
            }
        }
        counts
    }
}

impl ServiceView {
    pub fn of(service: &Known) -> Self {
        let record = &service.record;
        Self {
            namespace: record.key.namespace.to_string(),
            name: record.key.name.to_string(),
            group: record.group.as_ref().map(ToString::to_string),
            kind: record.kind.clone(),
            protocol: record.protocol.clone(),
            dependencies: record.dependencies.iter().map(ToString::to_string).collect(),
            tags: record.tags.iter().map(ToString::to_string).collect(),
            metadata: record.metadata.clone(),
            owner: record.owner.clone(),
            checks: record.checks.iter().map(CheckView::of).collect(),
            deprecations: record.deprecations.iter().map(DeprecationView::of).collect(),
            described: service.described,
            instances: Counts::of(service),
            index: service.index,
        }
    }
}
