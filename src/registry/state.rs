//! The writer's working copy of everything, and the changes that it knows how to make to it.
//!
//! Decides nothing: what is applied here was decided by `plan`.

use std::sync::Arc;

use imbl::OrdMap;

use super::health::TTL_CHECK;
use super::snapshot::{Health, Index, Instance, ServiceView, Snapshot};
use super::vitals::Vitals;
use crate::model::{
    Duty, HealthStatus, InstanceId, InstanceRecord, Origin, ServiceKey, ServiceRecord, UnixMillis,
    Verdict,
};
use crate::store::Subscription;

/// Cheap to clone: a clone shares what neither changes.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub snapshot: Snapshot,
    pub subscriptions: Arc<Vec<Subscription>>,
    pub census: Census,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Instances that registered, and are therefore limited.
    pub registered: usize,
    /// Instances by status, in the order of [`HealthStatus::ALL`].
    pub by_status: [usize; HealthStatus::ALL.len()],
}

/// One change.
#[derive(Debug, Clone)]
pub(super) enum Delta {
    Describe(Arc<ServiceRecord>),
    /// The description alone; the service too if it has no instances.
    Forget(ServiceKey),
    Put(PutInstance),
    SetDuty(ServiceKey, InstanceId, Duty),
    Remove(ServiceKey, InstanceId),
    Subscribe(Subscription),
    Unsubscribe(String),
}

impl Delta {
    /// Whether it is about an instance.
    pub(super) fn is_of_instance(&self) -> bool {
        matches!(self, Delta::Put(_) | Delta::SetDuty(..) | Delta::Remove(..))
    }
}

/// An instance as it is to be. What is known of its health stays.
#[derive(Debug, Clone)]
pub(super) struct PutInstance {
    pub record: Arc<InstanceRecord>,
    pub origin: Origin,
    pub duty: Duty,
    pub registered: UnixMillis,
    pub updated: UnixMillis,
    /// For one that is not there yet.
    pub vitals: Arc<Vitals>,
}

impl State {
    /// Makes a change and gives it `index`. What is gone meanwhile is left alone.
    pub(super) fn apply(&mut self, delta: &Delta, index: Index, now: UnixMillis) {
        match delta {
            Delta::Describe(record) => self.describe(record.clone(), index),
            Delta::Forget(service) => self.forget(service, index),
            Delta::Put(put) => self.put(put, index, now),
            Delta::SetDuty(service, id, duty) => {
                self.update(service, id, index, |instance| {
                    instance.duty = duty.clone();
                    instance.updated = now;
                    instance.revision = index;
                });
            }
            Delta::Remove(service, id) => self.remove(service, id, index),
            Delta::Subscribe(subscription) => {
                let others = self.subscriptions.iter().filter(|old| old.id != subscription.id);
                self.subscriptions = Arc::new(others.chain([subscription]).cloned().collect());
            }
            Delta::Unsubscribe(id) => {
                let others = self.subscriptions.iter().filter(|old| old.id != *id);
                self.subscriptions = Arc::new(others.cloned().collect());
            }
        }
        self.snapshot.index = self.snapshot.index.max(index);
    }

    /// Changes an instance's health; `false` if it is not there.
    pub(super) fn set_health(
        &mut self,
        service: &ServiceKey,
        id: &InstanceId,
        health: Health,
        index: Index,
    ) -> bool {
        self.snapshot.index = self.snapshot.index.max(index);
        self.update(service, id, index, |instance| instance.health = health)
    }

    fn describe(&mut self, record: Arc<ServiceRecord>, index: Index) {
        let view = self.view_mut(&record.key.clone(), index);
        view.record = record;
        view.described = true;
        view.revision = index;
    }

    fn forget(&mut self, service: &ServiceKey, index: Index) {
        let Some(view) = self.snapshot.services.get(service) else { return };
        if view.instances.is_empty() {
            self.snapshot.services.remove(service);
            self.snapshot.removed.note(service.clone(), index);
            return;
        }
        let view = self.view_mut(service, index);
        view.record = Arc::new(ServiceRecord::bare(service.clone()));
        view.described = false;
        view.revision = index;
    }

    fn put(&mut self, put: &PutInstance, index: Index, now: UnixMillis) {
        let service = &put.record.service;
        let old = self.snapshot.instance(service, &put.record.id).cloned();
        let (vitals, health) = match &old {
            Some(old) => (old.vitals.clone(), old.health.clone()),
            None => (put.vitals.clone(), Health::unknown(now)),
        };
        let instance = Arc::new(Instance {
            health: with_ttl(health, put.record.ttl.is_some(), now),
            record: put.record.clone(),
            origin: put.origin,
            duty: put.duty.clone(),
            registered: put.registered,
            updated: put.updated,
            index,
            revision: index,
            vitals,
        });
        self.census.count(old.as_deref(), Some(&instance));
        self.view_mut(service, index).instances.insert(put.record.id.clone(), instance);
    }

    fn remove(&mut self, service: &ServiceKey, id: &InstanceId, index: Index) {
        let Some(old) = self.snapshot.instance(service, id).cloned() else { return };
        self.census.count(Some(&old), None);
        let view = self.view_mut(service, index);
        view.instances.remove(id);
        if view.instances.is_empty() && !view.described {
            self.snapshot.services.remove(service);
            self.snapshot.removed.note(service.clone(), index);
        }
    }

    fn update(
        &mut self,
        service: &ServiceKey,
        id: &InstanceId,
        index: Index,
        change: impl FnOnce(&mut Instance),
    ) -> bool {
        let Some(old) = self.snapshot.instance(service, id).cloned() else { return false };
        let mut instance = Instance::clone(&old);
        change(&mut instance);
        instance.index = index;
        self.census.count(Some(&old), Some(&instance));
        self.view_mut(service, index).instances.insert(id.clone(), Arc::new(instance));
        true
    }

    /// A service to change, made if it is not there.
    fn view_mut(&mut self, service: &ServiceKey, index: Index) -> &mut ServiceView {
        if !self.snapshot.services.contains_key(service) {
            self.snapshot.removed.forget(service);
            let view = ServiceView {
                record: Arc::new(ServiceRecord::bare(service.clone())),
                instances: OrdMap::new(),
                index,
                revision: index,
                described: false,
            };
            self.snapshot.services.insert(service.clone(), Arc::new(view));
        }
        let view = self.snapshot.services.get_mut(service).expect("it is there, or was made above");
        let view = Arc::make_mut(view);
        view.index = view.index.max(index);
        view
    }
}

/// An instance with a time-to-live has the check `ttl`, which passes at first; others have none.
fn with_ttl(health: Health, wanted: bool, now: UnixMillis) -> Health {
    if wanted == health.checks.get(&*TTL_CHECK).is_some() {
        return health;
    }
    let verdict = wanted.then(|| Verdict::new(HealthStatus::Passing, ""));
    match health.after(&TTL_CHECK, verdict.as_ref(), now) {
        Some((health, _)) => health,
        None => health,
    }
}

impl Census {
    fn count(&mut self, old: Option<&Instance>, new: Option<&Instance>) {
        if let Some(old) = old {
            self.by_status[old.health.status as usize] -= 1;
            self.registered -= usize::from(old.origin == Origin::Registration);
        }
        if let Some(new) = new {
            self.by_status[new.health.status as usize] += 1;
            self.registered += usize::from(new.origin == Origin::Registration);
        }
    }
}
