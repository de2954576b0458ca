//! The single writer: takes what is asked, observed, configured and due, and makes it so.
//!
//! While the store makes a batch durable, health goes on being published; what is durable waits for the
//! next batch. A batch's steps are applied, once they are durable, to what is there by then: in
//! between only health can have changed, and no step touches that.

mod commit;
mod configure;
mod notes;
mod wellness;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::change::{Applied, Observed, RegistryError, Request};
use super::clock::later;
use super::drain::Drains;
use super::limits::{LOOK_EVERY, MAX_BATCH, MAX_VERDICTS_AT_ONCE};
use super::note::Note;
use super::plan::{Draft, Removal, Step};
use super::shared::Shared;
use super::snapshot::Index;
use super::state::{Delta, State};
use super::trail::Trail;
use super::ttl::{Key, Lapses, Rules};
use crate::model::{Duty, HealthStatus, InstanceRecord, Origin, ServiceKey, UnixMillis};
use crate::store::{StoredEvent, Write};
use crate::telemetry::metrics::RegistryMetrics;
use commit::Committed;

/// The single writer. Runs until every handle is gone, or it is told to stop.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: Inbox,
    /// What is published, and perhaps a little more.
    pub(super) state: State,
    pub(super) next_index: Index,
    /// Taken from the inbox, for the next batch.
    pub(super) waiting: Vec<Command>,
    pub(super) lapses: Lapses,
    pub(super) drains: Drains,
    /// Instances to be removed with the next batch.
    pub(super) removals: BTreeMap<Key, Removal>,
    /// Instances that the configuration lists; `None` before it was heard of.
    pub(super) configured: Option<BTreeSet<Key>>,
    pub(super) trail: Trail,
    /// Services that changed since the last publication, and what happened to them.
    pub(super) touched: BTreeSet<ServiceKey>,
    pub(super) events: Vec<StoredEvent>,
    /// What nobody waits for is not committed before this: the store failed.
    pub(super) retry: UnixMillis,
    pub(super) failing: bool,
    /// When lapses and drains were last looked at.
    pub(super) looked: UnixMillis,
    pub(super) metrics: RegistryMetrics,
}

/// A change that somebody waits for.
pub(super) struct Command {
    pub request: Request,
    pub reply: oneshot::Sender<Result<Applied, RegistryError>>,
}

/// What comes in.
pub(super) struct Inbox {
    pub commands: mpsc::Receiver<Command>,
    pub observed: mpsc::Receiver<Vec<Observed>>,
    pub configured: mpsc::Receiver<(Vec<InstanceRecord>, oneshot::Sender<()>)>,
    pub notes: mpsc::Receiver<Note>,
}

/// What there is to do.
enum Turn {
    /// Changes were taken from the inbox, or it is time for what is due anyway.
    Look,
    Committed(Committed),
    Observed(Vec<Observed>),
    Configure(Vec<InstanceRecord>, oneshot::Sender<()>),
    Returned,
    Noted(Note),
    Stop,
}

impl Writer {
    /// Counts in these families from here on.
    pub fn counting(mut self, metrics: RegistryMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Makes changes until it is told to stop, or nobody is left to tell it anything. What waits then
    /// is done, and what was not written yet is.
    pub async fn run(mut self) {
        let mut commit = None;
        self.show_counts();
        loop {
            match self.turn(&mut commit).await {
                Turn::Look => {}
                Turn::Committed(committed) => self.finish(committed),
                Turn::Observed(first) => self.take_verdicts(first),
                Turn::Returned => self.take_returned(),
                Turn::Noted(note) => self.take_note(note),
                Turn::Configure(instances, reply) => {
                    self.configure(instances);
                    let _ = reply.send(()); // whoever waited may be gone
                }
                Turn::Stop => break,
            }
            self.look();
            if commit.is_none() {
                commit = self.begin();
            }
        }
        self.end(commit).await;
        self.shared.store.close().await;
    }

    /// Waits for something to do.
    async fn turn(&mut self, commit: &mut Option<BoxFuture<'static, Committed>>) -> Turn {
        let idle = commit.is_none();
        let alarm = self.alarm(idle).map(|at| self.shared.clock.instant(at));
        let shared = &self.shared;
        tokio::select! {
            committed = async { commit.as_mut().expect("guarded by `idle`").await }, if !idle => {
                *commit = None;
                Turn::Committed(committed)
            }
            taken = self.inbox.commands.recv_many(&mut self.waiting, MAX_BATCH), if idle => {
                if taken == 0 { Turn::Stop } else { Turn::Look }
            }
            Some((instances, reply)) = self.inbox.configured.recv(), if idle => {
                Turn::Configure(instances, reply)
            }
            Some(observed) = self.inbox.observed.recv() => Turn::Observed(observed),
            () = shared.returned.wait() => Turn::Returned,
            Some(note) = self.inbox.notes.recv() => Turn::Noted(note),
            () = async { sleep_until(alarm.expect("guarded by `is_some`")).await }, if alarm.is_some() => {
                Turn::Look
            }
            () = shared.stop.cancelled() => Turn::Stop,
        }
    }

    /// When something is due. What needs a commit is not while one is under way.
    fn alarm(&self, idle: bool) -> Option<UnixMillis> {
        let looks = [self.lapses.next_look(), self.drains.next_look()];
        let look =
            looks.into_iter().flatten().min().map(|at| at.max(later(self.looked, LOOK_EVERY)));
        let removal = (idle && !self.removals.is_empty()).then_some(self.retry);
        let trail = self.trail.due().filter(|_| idle).map(|due| due.max(self.retry));
        [look, removal, trail].into_iter().flatten().min()
    }

    /// Looks at time-to-lives and drains, if it is time.
    fn look(&mut self) {
        let now = self.now();
        if now < later(self.looked, LOOK_EVERY) {
            return;
        }
        self.looked = now;
        self.take_lapses(now);
        let timeout = self.shared.settings.load().drain_timeout;
        for key in self.drains.advance(now, timeout) {
            self.removals.insert(key, Removal::Drained);
        }
    }

    /// Finishes what waits, and writes what was not written.
    async fn end(&mut self, commit: Option<BoxFuture<'static, Committed>>) {
        self.inbox.commands.close();
        while let Ok(note) = self.inbox.notes.try_recv() {
            self.take_note(note);
        }
        if let Some(commit) = commit {
            let committed = commit.await;
            self.finish(committed);
        }
        loop {
            while self.waiting.len() < MAX_BATCH {
                let Ok(command) = self.inbox.commands.try_recv() else { break };
                self.waiting.push(command);
            }
            if self.waiting.is_empty() && self.trail.due().is_none() {
                return;
            }
            let Some(commit) = self.begin_anyway() else { continue };
            let committed = commit.await;
            let kept = committed.is_kept();
            self.finish(committed);
            if !kept && self.waiting.is_empty() {
                return;
            }
        }
    }

    /// Makes a step: gives it its index, applies it, and sees to what follows from it.
    fn make(&mut self, step: &Step, now: UnixMillis) {
        let index = self.take_index();
        self.state.apply(&step.delta, index, now);
        self.follow_up(&step.delta, now);
        if let Some(draft) = &step.event {
            self.note(draft, index, now);
        }
    }

    fn follow_up(&mut self, delta: &Delta, now: UnixMillis) {
        match delta {
            Delta::Describe(record) => _ = self.touched.insert(record.key.clone()),
            Delta::Forget(service) => _ = self.touched.insert(service.clone()),
            Delta::Put(put) => {
                let key = (put.record.service.clone(), put.record.id.clone());
                self.touched.insert(key.0.clone());
                self.expect(key, now);
            }
            Delta::SetDuty(service, id, _) => {
                self.touched.insert(service.clone());
                self.expect((service.clone(), id.clone()), now);
            }
            Delta::Remove(service, id) => {
                let key = (service.clone(), id.clone());
                self.touched.insert(key.0.clone());
                self.drains.forget(&key);
                self.removals.remove(&key);
                let steps = self.lapses.forget(&key, &self.rules(), now);
                self.take_ttl_steps(steps, now);
            }
            Delta::Subscribe(_) | Delta::Unsubscribe(_) => {}
        }
    }

    /// Sees to the time-to-live and the drain of each instance that the store had.
    pub(super) fn expect_all(&mut self, now: UnixMillis) {
        let views = self.state.snapshot.services.values();
        let instances = views.flat_map(|view| view.instances.values());
        let keys = instances.map(|i| (i.record.service.clone(), i.record.id.clone()));
        for key in keys.collect::<Vec<_>>() {
            self.expect(key, now);
        }
    }

    /// Expects heart-beats, or the end of a drain, of an instance whose record or duty is new.
    fn expect(&mut self, key: Key, now: UnixMillis) {
        let Some(instance) = self.state.snapshot.instance(&key.0, &key.1) else { return };
        let (vitals, ttl) = (instance.vitals.clone(), instance.record.ttl);
        let registered = instance.origin == Origin::Registration;
        if registered && instance.duty == Duty::Draining {
            self.drains.begin(key.clone(), vitals.clone(), now);
        } else {
            self.drains.forget(&key);
            self.removals.remove(&key);
        }
        match ttl.filter(|_| registered) {
            Some(ttl) => self.lapses.track(key, ttl, vitals, now),
            None => {
                let steps = self.lapses.forget(&key, &self.rules(), now);
                self.take_ttl_steps(steps, now);
            }
        }
    }

    /// Writes an event into the log.
    fn note(&mut self, draft: &Draft, index: Index, now: UnixMillis) {
        let event = StoredEvent {
            index,
            at: now,
            kind: draft.kind.as_str().to_owned(),
            service: draft.service.clone(),
            instance: draft.instance.clone(),
            message: draft.message.clone(),
        };
        self.metrics.changes.with_label_values(&[draft.kind.as_str()]).inc();
        self.events.push(event.clone());
        self.save(Write::AppendEvent(event), now);
    }

    /// Has something written that nobody waits for.
    fn save(&mut self, write: Write, now: UnixMillis) {
        let dropped = self.trail.push(write, now);
        self.metrics.events_dropped.inc_by(dropped);
    }

    /// Shows everybody what is so now: first the state, then that there is something to see.
    fn publish(&mut self) {
        let shared = &self.shared;
        shared.current.store(Arc::new(self.state.snapshot.clone()));
        if !Arc::ptr_eq(&shared.subscriptions.load(), &self.state.subscriptions) {
            shared.subscriptions.store(self.state.subscriptions.clone());
        }
        let max_events = shared.settings.load().max_events;
        shared.events.append(std::mem::take(&mut self.events), max_events);
        let touched = std::mem::take(&mut self.touched);
        if !touched.is_empty() {
            shared.watchers.wake(&touched);
            shared.followers.tell(&touched);
        }
        self.show_counts();
    }

    fn show_counts(&self) {
        self.metrics.services.set(self.state.snapshot.services.len() as i64);
        for (status, count) in HealthStatus::ALL.iter().zip(self.state.census.by_status) {
            self.metrics.instances.with_label_values(&[status.as_str()]).set(count as i64);
        }
        self.metrics.self_preserving.set(self.state.snapshot.self_preserving.into());
    }

    /// More verdicts that wait already, so that they are published together.
    fn more_verdicts(&mut self, observed: &mut Vec<Observed>) {
        for _ in 1..MAX_VERDICTS_AT_ONCE {
            let Ok(more) = self.inbox.observed.try_recv() else { break };
            observed.extend(more);
        }
    }

    fn take_index(&mut self) -> Index {
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    fn now(&self) -> UnixMillis {
        self.shared.clock.now()
    }

    fn rules(&self) -> Rules {
        let settings = self.shared.settings.load();
        Rules {
            grace: settings.ttl_grace,
            suspicious_percent: settings.self_preservation_percent,
            suspicious_least: settings.self_preservation_least,
            suspicion_limit: settings.self_preservation_limit,
        }
    }
}
