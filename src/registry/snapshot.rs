//! The registry at one moment: one value that never changes. A later one shares what stayed.

use std::sync::Arc;

use imbl::OrdMap;

use super::outcomes::Outcomes;
use super::removed::Removed;
use super::vitals::Vitals;
use crate::model::{
    Duty, HealthStatus, InstanceId, InstanceRecord, Origin, ServiceKey, ServiceRecord, UnixMillis,
};

/// Counts changes: a later state has a larger one, over restarts too.
pub type Index = u64;

/// Every service with its instances.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Of the newest change.
    pub index: Index,
    pub services: OrdMap<ServiceKey, Arc<ServiceView>>,
    /// The registry suspects itself: so many time-to-lives lapsed at once that it keeps them.
    pub self_preserving: bool,
    /// Services that are gone, for those who wait for a change to one.
    pub removed: Removed,
}

impl Snapshot {
    /// The index of a service; of one that is not there, that of the change that removed it.
    pub fn index_of(&self, service: &ServiceKey) -> Index {
        self.services.get(service).map_or_else(|| self.removed.index_of(service), |view| view.index)
    }

    /// An instance by its names.
    pub fn instance(&self, service: &ServiceKey, instance: &InstanceId) -> Option<&Arc<Instance>> {
        self.services.get(service)?.instances.get(instance)
    }
}

/// One service.
#[derive(Debug, Clone)]
pub struct ServiceView {
    pub record: Arc<ServiceRecord>,
    pub instances: OrdMap<InstanceId, Arc<Instance>>,
    /// Of the newest change to the service or any of its instances.
    pub index: Index,
    /// Of the newest change to its description alone: what [`Request::expected`] is held against.
    ///
    /// [`Request::expected`]: super::Request::expected
    pub revision: Index,
    /// Somebody described it, so it stays when its last instance has left.
    pub described: bool,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Instance {
    pub record: Arc<InstanceRecord>,
    pub origin: Origin,
    pub duty: Duty,
    pub health: Health,
    pub registered: UnixMillis,
    /// When its record or duty last changed.
    pub updated: UnixMillis,
    /// Of the newest change to it, its health included.
    pub index: Index,
    /// Of the newest change to its record or duty: what [`Request::expected`] is held against, so that a
    /// health check never makes an operator's request fail.
    ///
    /// [`Request::expected`]: super::Request::expected
    pub revision: Index,
    /// What changes without a new snapshot: heart-beats, loads.
    pub vitals: Arc<Vitals>,
}

impl Instance {
    /// Whether it may be given requests.
    pub fn is_eligible(&self) -> bool {
        self.duty == Duty::Active && self.health.status != HealthStatus::Critical
    }
}

/// How well an instance is: the worst of what its checks say.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    pub status: HealthStatus,
    /// Of the check that decided.
    pub reason: Arc<str>,
    /// Since when it has this status.
    pub since: UnixMillis,
    pub checks: Outcomes,
}

/// What one check says.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOutcome {
    pub status: HealthStatus,
    pub reason: Arc<str>,
    pub since: UnixMillis,
}
