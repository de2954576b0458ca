//! Group commit: all changes that wait are decided in order against a working copy, written as one
//! batch, and published together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::super::change::{Applied, Author, RegistryError};
use super::super::clock::later;
use super::super::limits::{INDEXES_AHEAD, MAX_BATCH, RETRY_AFTER};
use super::super::plan::{self, Audit, Plan, Removal, Subject};
use super::super::snapshot::Index;
use super::super::state::State;
use super::super::ttl::Key;
use super::{Command, Writer};
use crate::model::{Duty, Origin, UnixMillis};
use crate::store::{AuditRecord, StoreError, Write};

/// A batch whose fate is known.
pub(super) struct Committed {
    result: Result<(), StoreError>,
    took: Duration,
    decided: Vec<Decided>,
    /// What went along with it.
    trail: Vec<Write>,
}

impl Committed {
    pub(super) fn is_kept(&self) -> bool {
        self.result.is_ok()
    }
}

/// What was decided of a change.
struct Decided {
    plan: Result<Plan, RegistryError>,
    /// `None` = nobody waits: the registry itself wants it.
    reply: Option<oneshot::Sender<Result<Applied, RegistryError>>>,
}

impl Writer {
    /// Begins a commit, if there is something to write now.
    pub(super) fn begin(&mut self) -> Option<BoxFuture<'static, Committed>> {
        let now = self.now();
        let is_due = self.trail.due().is_some_and(|due| due <= now) || !self.removals.is_empty();
        if self.waiting.is_empty() && !(is_due && self.retry <= now) {
            return None;
        }
        self.begin_anyway()
    }

    /// Begins a commit with whatever there is. What needs none is answered at once.
    pub(super) fn begin_anyway(&mut self) -> Option<BoxFuture<'static, Committed>> {
        let now = self.now();
        let (decided, mut writes) = self.decide(now);
        let trail = self.trail.take(now);
        if writes.is_empty() && trail.is_empty() {
            self.conclude(decided, now);
            return None;
        }
        self.metrics.batch_changes.observe(decided.len() as f64);
        let settings = self.shared.settings.load_full();
        writes.splice(0..0, trail.iter().cloned());
        let rows = writes.iter().filter(|write| is_record(write)).count() as u64;
        writes.extend(self.trail.trim_after(rows, &settings));
        writes.push(Write::PutIndex(self.next_index + INDEXES_AHEAD));
        let store = self.shared.store.clone();
        let commit = async move {
            let begun = Instant::now();
            let result = store.commit(&writes).await;
            Committed { result, took: begun.elapsed(), decided, trail }
        };
        Some(commit.boxed())
    }

    /// Decides all that waits, in order; each sees what those before it will have done.
    fn decide(&mut self, now: UnixMillis) -> (Vec<Decided>, Vec<Write>) {
        let settings = self.shared.settings.load_full();
        let mut working = self.state.clone();
        let mut decided = Vec::new();
        let mut writes = Vec::new();
        for (key, why) in self.due_removals() {
            let Some(plan) = self.plan_removal(&working, &key, why, now) else { continue };
            let author = Author { who: "registry".to_owned(), from: String::new() };
            self.stage(&plan, &author, &mut working, &mut writes, now);
            decided.push(Decided { plan: Ok(plan), reply: None });
        }
        for Command { request, reply } in std::mem::take(&mut self.waiting) {
            let plan = plan::plan(&working, &request, &settings, now);
            if let Ok(plan) = &plan {
                self.stage(plan, &request.author, &mut working, &mut writes, now);
            }
            decided.push(Decided { plan, reply: Some(reply) });
        }
        (decided, writes)
    }

    /// Takes a plan's steps into the working copy and the batch.
    fn stage(
        &mut self,
        plan: &Plan,
        author: &Author,
        working: &mut State,
        writes: &mut Vec<Write>,
        now: UnixMillis,
    ) {
        for step in &plan.steps {
            let index = self.take_index();
            working.apply(&step.delta, index, now);
            writes.extend(step.write.clone());
            writes.push(Write::AppendAudit(audit_record(&step.audit, author, index, now)));
        }
    }

    fn due_removals(&mut self) -> Vec<(Key, Removal)> {
        let some = self.removals.iter().take(MAX_BATCH);
        let some: Vec<_> = some.map(|(key, why)| (key.clone(), *why)).collect();
        for (key, _) in &some {
            self.removals.remove(key);
        }
        some
    }

    /// `None` if there is no reason any more.
    fn plan_removal(
        &self,
        working: &State,
        key: &Key,
        why: Removal,
        now: UnixMillis,
    ) -> Option<Plan> {
        let instance = working.snapshot.instance(&key.0, &key.1)?;
        let holds = match why {
            Removal::Drained => instance.duty == Duty::Draining,
            Removal::Lapsed => self.lapses.is_expired(key, now),
            Removal::Replaced | Removal::Unlisted => true,
        };
        let is_ours = instance.origin == Origin::Registration;
        let steps = vec![plan::removal(instance, why)];
        (holds && is_ours).then(|| Plan { steps, ..Plan::default() })
    }

    /// Publishes a batch that is durable, or says that it is not.
    pub(super) fn finish(&mut self, committed: Committed) {
        let Committed { result, took, decided, trail } = committed;
        let now = self.now();
        self.metrics.commit_seconds.observe(took.as_secs_f64());
        let error = match result {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the registry's store works again");
                }
                return self.conclude(decided, now);
            }
            Err(error) => Arc::new(error),
        };
        self.metrics.store_errors.inc();
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the registry's store fails: changes are refused");
        }
        self.retry = later(now, RETRY_AFTER);
        self.trail.give_back(trail, now);
        for reply in decided.into_iter().filter_map(|decided| decided.reply) {
            // Whoever asked may be gone.
            let _ = reply.send(Err(RegistryError::Store(error.clone())));
        }
    }

    /// Applies what is durable, publishes it, and then answers.
    fn conclude(&mut self, decided: Vec<Decided>, now: UnixMillis) {
        let mut answers = Vec::with_capacity(decided.len());
        for Decided { plan, reply } in decided {
            let answer = plan.map(|plan| self.execute(&plan, now));
            answers.extend(reply.map(|reply| (reply, answer)));
        }
        if !self.touched.is_empty() || !self.events.is_empty() || self.has_new_subscriptions() {
            self.publish();
        }
        for (reply, answer) in answers {
            let _ = reply.send(answer); // whoever asked may be gone
        }
    }

    fn has_new_subscriptions(&self) -> bool {
        !Arc::ptr_eq(&self.shared.subscriptions.load(), &self.state.subscriptions)
    }

    fn execute(&mut self, plan: &Plan, now: UnixMillis) -> Applied {
        for step in &plan.steps {
            self.make(step, now);
        }
        let Subject { service, instance } = &plan.subject;
        if let (true, Some(service), Some(id)) = (plan.beat, service, instance) {
            self.beat(&(service.clone(), id.clone()), now);
        }
        let snapshot = &self.state.snapshot;
        let service = service.as_ref().and_then(|key| snapshot.services.get(key).cloned());
        let instance = instance.as_ref().zip(service.as_ref());
        Applied {
            index: snapshot.index,
            created: plan.created,
            instance: instance.and_then(|(id, view)| view.instances.get(id).cloned()),
            service,
            instances: plan.steps.iter().filter(|step| step.delta.is_of_instance()).count(),
        }
    }

    /// Registering counts as a heart-beat.
    fn beat(&mut self, key: &Key, now: UnixMillis) {
        let Some(instance) = self.state.snapshot.instance(&key.0, &key.1) else { return };
        instance.vitals.beat(&Default::default(), now);
        self.call_back(key, now);
    }
}

/// An audit record with its circumstances.
pub(super) fn audit_record(
    audit: &Audit,
    author: &Author,
    index: Index,
    now: UnixMillis,
) -> AuditRecord {
    AuditRecord {
        index,
        at: now,
        who: author.who.clone(),
        from: author.from.clone(),
        action: audit.action.to_owned(),
        subject: audit.subject.clone(),
        before: audit.before.clone(),
        after: audit.after.clone(),
    }
}

/// Whether it adds to what has to be trimmed.
fn is_record(write: &Write) -> bool {
    matches!(write, Write::AppendAudit(_) | Write::AppendEvent(_))
}
