//! Instances that the configuration lists: what a reload adds, changes and takes away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::event::EventKind;
use super::super::picture;
use super::super::plan::{Audit, Draft, Removal, Step, removal, subject_of};
use super::super::state::{Delta, PutInstance};
use super::super::ttl::Key;
use super::super::vitals::Vitals;
use super::Writer;
use super::commit::audit_record;
use crate::model::{Duty, InstanceRecord, Origin, UnixMillis};
use crate::registry::Author;
use crate::store::Write;

impl Writer {
    /// Replaces what the configuration lists. What stays keeps its health, vitals and duty.
    ///
    /// The first time, at the start, is no change: nobody edited anything, so nothing is logged.
    pub(super) fn configure(&mut self, instances: Vec<InstanceRecord>) {
        let now = self.now();
        let is_change = self.configured.is_some();
        let mut wanted = BTreeMap::new();
        for record in instances {
            wanted.insert((record.service.clone(), record.id.clone()), record);
        }
        let keys: BTreeSet<Key> = wanted.keys().cloned().collect();
        let before = self.configured.replace(keys).unwrap_or_default();
        let unlisted = before.into_iter().filter(|key| !wanted.contains_key(key));
        for key in unlisted.collect::<Vec<_>>() {
            self.take_away(&key, Removal::Unlisted, is_change, now);
        }
        for (key, record) in wanted {
            self.list(&key, record, is_change, now);
        }
        self.publish();
    }

    fn list(&mut self, key: &Key, record: InstanceRecord, is_change: bool, now: UnixMillis) {
        let mut old = self.state.snapshot.instance(&key.0, &key.1).cloned();
        if old.as_ref().is_some_and(|old| old.origin == Origin::Registration) {
            self.take_away(key, Removal::Replaced, true, now);
            old = None;
        }
        if old.as_ref().is_some_and(|old| *old.record == record) {
            return;
        }
        let duty = old.as_ref().map_or(Duty::Active, |old| old.duty.clone());
        let (action, kind) = match &old {
            None => ("instance.configure", EventKind::Registered),
            Some(_) => ("instance.configure", EventKind::Updated),
        };
        let step = Step {
            write: None,
            audit: Audit {
                action,
                subject: subject_of(&key.0, &key.1),
                before: old.as_deref().map(picture::of_instance).unwrap_or_default(),
                after: picture::instance_with(&record, &duty),
            },
            event: Some(Draft {
                kind,
                service: Some(key.0.clone()),
                instance: Some(key.1.clone()),
                message: format!("at {}:{}, by configuration", record.host, record.port),
            }),
            delta: Delta::Put(PutInstance {
                record: Arc::new(record),
                origin: Origin::Configuration,
                duty,
                registered: old.as_ref().map_or(now, |old| old.registered),
                updated: now,
                vitals: Arc::new(Vitals::new(now)),
            }),
        };
        self.make_configured(step, is_change, now);
    }

    fn take_away(&mut self, key: &Key, why: Removal, is_change: bool, now: UnixMillis) {
        if let Some(instance) = self.state.snapshot.instance(&key.0, &key.1) {
            let step = removal(&instance.clone(), why);
            self.make_configured(step, is_change, now);
        }
    }

    /// Makes a step at once. What of it the store keeps is written when there is time.
    fn make_configured(&mut self, mut step: Step, is_change: bool, now: UnixMillis) {
        if let Some(write) = step.write.take() {
            self.save(write, now);
        }
        if is_change {
            let author = Author { who: "configuration".to_owned(), from: String::new() };
            let index = self.take_index();
            let record = audit_record(&step.audit, &author, index, now);
            self.save(Write::AppendAudit(record), now);
        } else {
            step.event = None;
        }
        self.make(&step, now);
    }
}
