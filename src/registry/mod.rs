//! The registry: which services there are, which instances they have, and how well those are.
//!
//! One task, the [`Writer`], makes every change, in order; what it publishes is immutable
//! ([`Snapshot`]). A change that has to last is committed to the store before it is published,
//! together with all that wait at that moment (group commit); health is published at once.
//! Reading takes no lock and meets no writer. Heart-beats are atomics beside the snapshot ([`Vitals`]).

mod change;
mod snapshot;
mod vitals;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub use change::{Applied, Author, Change, Observed, RegistryError, Request};
pub use snapshot::{CheckOutcome, Health, Index, Instance, ServiceView, Snapshot};
pub use vitals::Vitals;

use crate::model::{InstanceId, InstanceRecord, ReportedLoad, ServiceKey};
use crate::store::{AuditFilter, AuditRecord, Store, StoreError, StoredEvent, Subscription};

/// A handle to the registry, for everybody but its writer.
#[derive(Clone)]
pub struct Registry {}

/// The single writer. Runs until every handle is gone, or it is told to stop.
pub struct Writer {}

/// Reads what the store holds.
pub async fn open(
    _store: Arc<dyn Store>,
    _settings: crate::config::Registry,
) -> Result<(Registry, Writer), StoreError> {
    todo!()
}

impl Writer {
    pub async fn run(self) {
        todo!()
    }
}

impl Registry {
    /// Everything, now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        todo!()
    }

    /// Makes a change; it is durable and visible when this returns.
    pub async fn apply(&self, _request: Request) -> Result<Applied, RegistryError> {
        todo!()
    }

    /// Takes a heart-beat. Writes nothing but atomics, unless the instance had lapsed.
    /// Returns the time within which the next one has to come.
    pub fn heartbeat(
        &self,
        _service: &ServiceKey,
        _instance: &InstanceId,
        _load: &ReportedLoad,
    ) -> Result<Option<Duration>, RegistryError> {
        todo!()
    }

    /// Publishes what checks and traffic came to believe. Bounded: waits while too many wait.
    pub async fn observe(&self, _observed: Vec<Observed>) {
        todo!()
    }

    /// Replaces the instances that the configuration lists (all of them, of all services).
    /// Not durable: the file is.
    pub async fn configure(&self, _instances: Vec<InstanceRecord>) {
        todo!()
    }

    /// Limits that a reload may change.
    pub fn set_settings(&self, _settings: crate::config::Registry) {
        todo!()
    }

    /// Waits until a service has an index above `index`, and returns the snapshot then. A service that
    /// is not there, or no longer, has the index of the change that removed it.
    pub async fn changed(&self, _service: &ServiceKey, _index: Index) -> Arc<Snapshot> {
        todo!()
    }

    /// Follows every change: for routing, and for health checks.
    pub fn follow(&self) -> Follower {
        todo!()
    }

    /// The event log, from the event after `after` on: at most `limit`. `Err` = some of those are
    /// forgotten already: the oldest that is kept has the index returned.
    pub fn events(&self, _after: Index, _limit: usize) -> Result<Vec<StoredEvent>, Index> {
        todo!()
    }

    /// Waits until there is an event after `after`.
    pub async fn event_after(&self, _after: Index) {
        todo!()
    }

    pub fn subscriptions(&self) -> Arc<Vec<Subscription>> {
        todo!()
    }

    pub async fn audit(
        &self,
        _filter: &AuditFilter,
        _before: Option<u64>,
        _limit: usize,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        todo!()
    }

    pub async fn backup(&self, _to: &std::path::Path) -> Result<(), StoreError> {
        todo!()
    }
}

/// Tells which services changed since it was last asked. Bounded by their number: what changes
/// twice is told once.
pub struct Follower {}

impl Follower {
    /// Waits for changes, and takes them all.
    pub async fn next(&mut self) -> BTreeSet<ServiceKey> {
        todo!()
    }
}
