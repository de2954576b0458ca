//! What changes without a commit: health, by checks and by heart-beats that stay away.

use std::time::Duration;

use super::super::event::EventKind;
use super::super::health::{Flip, TTL_CHECK};
use super::super::limits::MAX_LAPSES_AT_ONCE;
use super::super::plan::{Draft, Removal};
use super::super::ttl::{Key, Step};
use super::Writer;
use crate::model::{CheckName, HealthStatus, UnixMillis, Verdict};
use crate::registry::Observed;

impl Writer {
    /// Publishes what checks came to believe, with all that wait to be published.
    pub(super) fn take_verdicts(&mut self, mut observed: Vec<Observed>) {
        self.more_verdicts(&mut observed);
        let now = self.now();
        for Observed { service, instance, check, verdict } in observed {
            self.judge(&(service, instance), &check, verdict.as_ref(), now);
        }
        self.publish_if_touched();
    }

    /// Hears of instances that were silent.
    pub(super) fn take_returned(&mut self) {
        let now = self.now();
        for key in self.shared.returned.take() {
            self.call_back(&key, now);
        }
        self.publish_if_touched();
    }

    /// An instance was heard of, by a heart-beat or by registering again.
    pub(super) fn call_back(&mut self, key: &Key, now: UnixMillis) {
        let steps = self.lapses.returned(key, &self.rules(), now);
        self.take_ttl_steps(steps, now);
    }

    /// Looks at heart-beats that are due.
    pub(super) fn take_lapses(&mut self, now: UnixMillis) {
        let steps = self.lapses.advance(now, &self.rules(), MAX_LAPSES_AT_ONCE);
        self.take_ttl_steps(steps, now);
        self.publish_if_touched();
    }

    /// Makes of instances' silence what it means for them.
    pub(super) fn take_ttl_steps(&mut self, steps: Vec<Step>, now: UnixMillis) {
        for step in steps {
            match step {
                Step::Lapsed { key, silent } => {
                    self.metrics.lapses.inc();
                    let reason = silence(silent);
                    self.judge_ttl(&key, Verdict::new(HealthStatus::Critical, reason), now);
                }
                Step::Kept { key, silent } => {
                    let reason =
                        format!("{}; kept, as too many stay away at once", silence(silent));
                    self.judge_ttl(&key, Verdict::new(HealthStatus::Warning, reason), now);
                }
                Step::Returned { key } => {
                    self.removals.remove(&key);
                    self.judge_ttl(&key, Verdict::new(HealthStatus::Passing, ""), now);
                }
                Step::Expired { key } => _ = self.removals.insert(key, Removal::Lapsed),
                Step::Suspects { silent, total } => {
                    let message = format!(
                        "the heart-beats of {silent} out of {total} instances stay away: \
                         the registry suspects itself, and keeps them"
                    );
                    tracing::warn!(silent, total, "self-preservation begins");
                    self.set_self_preserving(true, message, now);
                }
                Step::Believes { silent } => {
                    tracing::warn!(silent, "self-preservation ends at its limit");
                    let message = format!(
                        "{silent} instances stayed away to the limit of self-preservation: \
                         the registry believes it, and lets them lapse"
                    );
                    self.set_self_preserving(false, message, now);
                }
                Step::Trusts => {
                    tracing::info!("self-preservation ends");
                    let message = "enough heart-beats come again".to_owned();
                    self.set_self_preserving(false, message, now);
                }
            }
        }
    }

    fn set_self_preserving(&mut self, on: bool, message: String, now: UnixMillis) {
        let index = self.take_index();
        self.state.snapshot.self_preserving = on;
        self.state.snapshot.index = index;
        let kind = EventKind::SelfPreservation;
        self.note(&Draft { kind, service: None, instance: None, message }, index, now);
    }

    fn judge_ttl(&mut self, key: &Key, verdict: Verdict, now: UnixMillis) {
        let Some(instance) = self.state.snapshot.instance(&key.0, &key.1) else { return };
        if instance.record.ttl.is_some() {
            self.judge(key, &TTL_CHECK, Some(&verdict), now);
        }
    }

    fn judge(&mut self, key: &Key, check: &CheckName, verdict: Option<&Verdict>, now: UnixMillis) {
        let (service, id) = key;
        let instance = self.state.snapshot.instance(service, id);
        let Some((health, flip)) = instance.and_then(|i| i.health.after(check, verdict, now))
        else {
            return;
        };
        let index = self.take_index();
        self.state.set_health(service, id, health, index);
        self.touched.insert(service.clone());
        if let Some(flip) = flip {
            let draft = Draft {
                kind: EventKind::Health,
                service: Some(service.clone()),
                instance: Some(id.clone()),
                message: in_words(&flip),
            };
            self.note(&draft, index, now);
        }
    }

    fn publish_if_touched(&mut self) {
        if !self.touched.is_empty() || !self.events.is_empty() {
            self.publish();
        }
    }
}

fn silence(silent: Duration) -> String {
    format!("no heart-beat for {:.1} s", silent.as_secs_f64())
}

/// `http: passing to critical: status 503; the instance is critical`
fn in_words(flip: &Flip) -> String {
    let Flip { check, from, to, reason, status } = flip;
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    format!("{check}: {from} to {to}{why}; the instance is {status}")
}
