//! The registry: which services there are, which instances they have, and how well those are.
//!
//! One task, the [`Writer`], makes every change, in order; what it publishes is immutable
//! ([`Snapshot`]). A change that has to last is committed to the store before it is published,
//! together with all that wait at that moment (group commit); health is published at once.
//! Reading takes no lock and meets no writer. Heart-beats are atomics beside the snapshot ([`Vitals`]).
//!
//! Knows neither HTTP nor how an instance is checked.

mod change;
mod clock;
mod drain;
mod event;
mod health;
mod limits;
mod note;
mod open;
mod outcomes;
mod picture;
mod plan;
mod query;
mod removed;
#[cfg(test)]
mod sample;
mod shared;
mod snapshot;
mod state;
mod trail;
mod ttl;
mod versions;
mod vitals;
mod watch;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

pub use change::{Applied, Author, Change, Observed, RegistryError, Request};
pub use event::EventKind;
pub use health::TTL_CHECK;
pub use note::Note;
pub use open::open;
pub use outcomes::Outcomes;
pub use query::{InstanceQuery, ServiceQuery};
pub use removed::Removed;
pub use snapshot::{CheckOutcome, Health, Index, Instance, ServiceView, Snapshot};
pub use versions::{VersionState, compatible, deprecation, versions};
pub use vitals::Vitals;
pub use watch::Follower;
pub use writer::Writer;

use crate::config;
use crate::model::{HealthStatus, InstanceId, InstanceRecord, ReportedLoad, ServiceKey};
use crate::store::{AuditFilter, AuditRecord, NewestFirst, StoreError, StoredEvent, Subscription};
use limits::MAX_WAITING_CHANGES;
use shared::Shared;
use writer::Command;

/// A handle to the registry, for everybody but its writer.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    observed: mpsc::Sender<Vec<Observed>>,
    configured: mpsc::Sender<(Vec<InstanceRecord>, oneshot::Sender<()>)>,
    notes: mpsc::Sender<Note>,
}

impl Registry {
    /// Everything, now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current.load_full()
    }

    /// Makes a change; it is durable and visible when this returns.
    pub async fn apply(&self, request: Request) -> Result<Applied, RegistryError> {
        let (reply, answer) = oneshot::channel();
        self.commands.try_send(Command { request, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RegistryError::Busy(MAX_WAITING_CHANGES),
            mpsc::error::TrySendError::Closed(_) => RegistryError::Stopping,
        })?;
        answer.await.unwrap_or(Err(RegistryError::Stopping))
    }

    /// Takes a heart-beat. Writes nothing but atomics, unless the instance had lapsed.
    /// Returns the time within which the next one has to come.
    pub fn heartbeat(
        &self,
        service: &ServiceKey,
        instance: &InstanceId,
        load: &ReportedLoad,
    ) -> Result<Option<Duration>, RegistryError> {
        let snapshot = self.shared.current.load();
        let view = snapshot.services.get(service);
        let view = view.ok_or_else(|| RegistryError::NoService(service.clone()))?;
        let known = view.instances.get(instance);
        let known =
            known.ok_or_else(|| RegistryError::NoInstance(service.clone(), instance.clone()))?;
        known.vitals.beat(load, self.shared.clock.now());
        let ttl = known.health.checks.get(&*TTL_CHECK);
        if ttl.is_some_and(|outcome| outcome.status != HealthStatus::Passing) {
            self.shared.returned.note((service.clone(), instance.clone()));
        }
        Ok(known.record.ttl)
    }

    /// Publishes what checks and traffic came to believe. Bounded: waits while too many wait.
    pub async fn observe(&self, observed: Vec<Observed>) {
        // Without a writer nobody is left to be told.
        let _ = self.observed.send(observed).await;
    }

    /// Has something written down within a second. Never waits: with too many notes at once the newest
    /// are lost, and that is logged.
    pub fn note(&self, note: Note) {
        if let Err(mpsc::error::TrySendError::Full(note)) = self.notes.try_send(note) {
            tracing::warn!(?note, "too much happens at once to be written down");
        }
    }

    /// Replaces the instances that the configuration lists (all of them, of all services).
    /// Not durable: the file is.
    pub async fn configure(&self, instances: Vec<InstanceRecord>) {
        let (reply, done) = oneshot::channel();
        if self.configured.send((instances, reply)).await.is_ok() {
            let _ = done.await; // without a writer there is nothing to wait for
        }
    }

    /// Limits that a reload may change.
    pub fn set_settings(&self, settings: config::Registry) {
        self.shared.settings.store(Arc::new(settings));
    }

    /// Waits until a service has an index above `index`, and returns the snapshot then. A service that
    /// is not there, or no longer, has the index of the change that removed it
    /// ([`Snapshot::index_of`]).
    pub async fn changed(&self, service: &ServiceKey, index: Index) -> Arc<Snapshot> {
        let snapshot = self.snapshot();
        if snapshot.index_of(service) > index {
            return snapshot;
        }
        let seat = self.shared.watchers.seat(service);
        loop {
            let woken = seat.room().notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let snapshot = self.snapshot();
            if snapshot.index_of(service) > index {
                return snapshot;
            }
            woken.await;
        }
    }

    /// Follows every change from now on: for routing, and for health checks. Read the snapshot after
    /// this, and nothing is missed.
    pub fn follow(&self) -> Follower {
        self.shared.followers.join()
    }

    /// The event log, from the event after `after` on: at most `limit`. 0 = from the oldest that is kept.
    /// `Err` = some of those are forgotten already: the oldest that is kept has the index returned.
    pub fn events(&self, after: Index, limit: usize) -> Result<Vec<StoredEvent>, Index> {
        self.shared.events.after(after, limit)
    }

    /// Waits until there is an event after `after`.
    pub async fn event_after(&self, after: Index) {
        self.shared.events.wait_after(after).await;
    }

    /// Who wants to be called back.
    pub fn subscriptions(&self) -> Arc<Vec<Subscription>> {
        self.shared.subscriptions.load_full()
    }

    /// Audit records, newest first: at most `limit` of those below `before`.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.shared.store.audit(filter, page).await
    }

    /// Writes a copy of everything that is durable to a new file.
    pub async fn backup(&self, to: &std::path::Path) -> Result<(), StoreError> {
        self.shared.store.backup(to).await
    }

    /// Tells the writer to finish what waits, and end. Changes are refused from then on; what was
    /// published stays readable.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}
