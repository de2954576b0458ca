//! Who is checked, and how: follows the registry and the plan. What stays keeps what is believed of it;
//! what leaves is called off at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio_util::time::delay_queue;

use super::job::{Job, JobId};
use super::probe::{Kept, Prepared, Probe};
use super::scheduler::{Scheduler, now};
use super::state::{Belief, Passive, first_due};
use super::verdicts::NOT_CHECKED;
use crate::model::{
    Check, CheckName, HealthStatus, InstanceId, ServiceKey, ServiceRecord, Verdict,
};
use crate::registry::{Instance, ServiceView};

/// A service with the checks that all its instances have.
#[derive(Default)]
pub(super) struct Service {
    record: Option<Arc<ServiceRecord>>,
    checks: Vec<Arc<Prepared>>,
    pub(super) members: BTreeMap<InstanceId, Member>,
}

/// An instance with its jobs.
pub(super) struct Member {
    pub instance: Arc<Instance>,
    /// Its own checks.
    checks: Vec<Arc<Prepared>>,
    pub jobs: BTreeMap<CheckName, JobId>,
    pub passive: Passive,
    pub rest: Option<delay_queue::Key>,
    /// What the registry was last told of its traffic.
    pub traffic_told: Option<Verdict>,
}

/// When the first check of a job is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Now,
    /// Somewhere in its interval.
    Spread,
}

impl Scheduler {
    /// Looks at everything: after the start, and after a reload.
    pub(super) fn sync_all(&mut self, starting: bool) {
        let snapshot = self.registry.snapshot();
        let gone: Vec<_> = self
            .services
            .keys()
            .filter(|key| !snapshot.services.contains_key(*key))
            .cloned()
            .collect();
        for key in gone {
            self.forget(&key);
        }
        let first = if starting { First::Spread } else { First::Now };
        for (key, view) in &snapshot.services {
            self.sync_service(key, view, first, true);
        }
    }

    /// Looks at what changed.
    pub(super) fn sync(&mut self, changed: &BTreeSet<ServiceKey>) {
        let snapshot = self.registry.snapshot();
        for key in changed {
            match snapshot.services.get(key) {
                Some(view) => self.sync_service(key, view, First::Now, false),
                None => self.forget(key),
            }
        }
    }

    fn forget(&mut self, key: &ServiceKey) {
        let Some(mut service) = self.services.remove(key) else { return };
        for member in service.members.values_mut() {
            self.leave(member);
        }
    }

    fn sync_service(&mut self, key: &ServiceKey, view: &ServiceView, first: First, anew: bool) {
        // Taken out while it is worked on: its jobs are elsewhere in `self`.
        let mut service = self.services.remove(key).unwrap_or_default();
        let same_record =
            service.record.as_ref().is_some_and(|record| Arc::ptr_eq(record, &view.record));
        let anew = anew || !same_record;
        if anew {
            let configured = self.plan.by_service.get(key);
            let configured = configured.into_iter().flatten().map(|check| &**check);
            let checks = configured.chain(&view.record.checks);
            service.checks = self.prepare(checks, &service.checks);
            service.record = Some(view.record.clone());
        }
        for (id, instance) in &view.instances {
            let known = service.members.get(id);
            if anew || known.is_none_or(|known| !Arc::ptr_eq(&known.instance, instance)) {
                self.sync_member(key, &mut service, id, instance, first);
            }
        }
        if service.members.len() > view.instances.len() {
            let gone = service.members.keys().filter(|id| !view.instances.contains_key(*id));
            for id in gone.cloned().collect::<Vec<_>>() {
                self.forget_member(&mut service, &id);
            }
        }
        self.services.insert(key.clone(), service);
    }

    fn forget_member(&mut self, service: &mut Service, id: &InstanceId) {
        if let Some(mut member) = service.members.remove(id) {
            self.leave(&mut member);
        }
    }

    fn leave(&mut self, member: &mut Member) {
        for id in member.jobs.values() {
            self.jobs.remove(*id);
        }
        if let Some(rest) = member.rest.take() {
            self.jobs.timers.remove(&rest);
        }
    }

    fn sync_member(
        &mut self,
        key: &ServiceKey,
        service: &mut Service,
        id: &InstanceId,
        instance: &Arc<Instance>,
        first: First,
    ) {
        // One that left and came back between two looks has other vitals: nothing of the old one holds.
        let known = service.members.get(id);
        if known.is_some_and(|known| !Arc::ptr_eq(&known.instance.vitals, &instance.vitals)) {
            self.forget_member(service, id);
        }
        let (mut member, is_new) = match service.members.remove(id) {
            Some(member) => (member, false),
            None => (Member::new(instance.clone()), true),
        };
        let old = std::mem::replace(&mut member.instance, instance.clone());
        member.checks = self.prepare(instance.record.checks.iter(), &member.checks);
        let all = service.checks.iter().chain(&member.checks);
        let wanted: BTreeMap<_, _> = all.map(|p| (p.check.name.clone(), p.clone())).collect();
        let gone: Vec<_> =
            member.jobs.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in gone {
            if let Some(job) = member.jobs.remove(&name).and_then(|id| self.jobs.remove(id))
                && job.told.is_some()
            {
                self.outbox.tell(key, id, &name, None);
            }
        }
        let moved =
            (&old.record.host, old.record.port) != (&instance.record.host, instance.record.port);
        let first = if is_new { first } else { First::Spread };
        for (name, prepared) in wanted {
            match member.jobs.get(&name) {
                Some(&job) => self.update_job(job, prepared, instance, moved),
                None => {
                    let job = self.add_job(key, instance, prepared, first);
                    member.jobs.insert(name, job);
                }
            }
        }
        self.repeat_traffic(key, &member);
        service.members.insert(id.clone(), member);
    }

    /// Makes checks ready; those of `old` that are the same are used again.
    fn prepare<'a>(
        &self,
        checks: impl Iterator<Item = &'a Check>,
        old: &[Arc<Prepared>],
    ) -> Vec<Arc<Prepared>> {
        let prepare = |check| {
            let same = old.iter().find(|old| old.is_of(check, &self.plan));
            same.cloned().unwrap_or_else(|| Arc::new(Prepared::new(check, &self.plan)))
        };
        checks.map(prepare).collect()
    }

    fn add_job(
        &mut self,
        service: &ServiceKey,
        instance: &Arc<Instance>,
        prepared: Arc<Prepared>,
        first: First,
    ) -> JobId {
        let now = now();
        let schedule = prepared.check.schedule;
        let due = match first {
            First::Now => now,
            First::Spread => first_due(&schedule, now, &mut self.rng),
        };
        let belief = Belief::new(&schedule, now);
        let mut job = Job {
            service: service.clone(),
            instance: instance.record.id.clone(),
            pace: belief.pace(),
            belief,
            probe: Arc::new(Probe::new(prepared, instance.record.clone())),
            vitals: instance.vitals.clone(),
            told: None,
            kept: Kept::Nothing,
            running: None,
            queued: false,
            again: false,
            fresh: first == First::Now,
            due,
            timer: None,
        };
        // What is believed to be well needs no word before the first result.
        if schedule.initial != HealthStatus::Passing {
            let verdict = Verdict::new(schedule.initial, NOT_CHECKED);
            self.tell(&mut job, verdict);
        }
        self.jobs.add(job)
    }

    fn update_job(
        &mut self,
        id: JobId,
        prepared: Arc<Prepared>,
        instance: &Arc<Instance>,
        moved: bool,
    ) {
        let outbox = self.outbox.clone();
        let Some(job) = self.jobs.get(id) else { return };
        // The registry may have lost it: an observation can come before the instance it is about.
        if let Some(told) = &job.told {
            let shown = instance.health.checks.get(job.name()).map(|outcome| outcome.status);
            if shown != Some(told.status) {
                outbox.tell(&job.service, &job.instance, job.name(), Some(told.clone()));
            }
        }
        let same_check = Arc::ptr_eq(&job.probe.prepared, &prepared);
        if same_check && Arc::ptr_eq(&job.probe.record, &instance.record) {
            return;
        }
        let asks_otherwise = moved || job.probe.prepared.check.kind != prepared.check.kind;
        let rescheduled = job.schedule() != &prepared.check.schedule;
        job.belief.reschedule(&prepared.check.schedule);
        job.probe = Arc::new(Probe::new(prepared, instance.record.clone()));
        if asks_otherwise {
            job.call_off();
            job.again = false;
        }
        let now = now();
        if job.queued {
            return; // it is due already
        }
        if asks_otherwise {
            self.jobs.arm(id, now);
        } else if rescheduled && job.running.is_none() {
            let due = first_due(job.schedule(), now, &mut self.rng);
            self.jobs.arm(id, due);
        }
    }
}

impl Member {
    fn new(instance: Arc<Instance>) -> Self {
        Self {
            instance,
            checks: Vec::new(),
            jobs: BTreeMap::new(),
            passive: Passive::default(),
            rest: None,
            traffic_told: None,
        }
    }
}
