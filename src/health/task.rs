//! One check of one instance: what it believes, and the probe that looks.

use std::sync::Arc;
use std::time::Instant;

use super::probe::Probe;
use super::state::Belief;
use crate::model::{Check, InstanceKey, InstanceRecord};
use crate::plugin::health_check::HealthChecker;
use crate::registry::Vitals;

pub(super) struct Task {
    pub instance: InstanceKey,
    pub check: Arc<Check>,
    pub belief: Belief,
    /// When it is due; older entries of the queue mean nothing.
    pub due: Instant,
    /// `None` while it looks.
    probe: Option<Probe>,
    /// It looks right now.
    pub looking: bool,
    made_of: MadeOf,
}

/// What a probe was made of: another needs another probe.
pub(super) struct MadeOf {
    pub record: Arc<InstanceRecord>,
    pub vitals: Arc<Vitals>,
    pub checker: Option<Arc<HealthChecker>>,
}

impl MadeOf {
    /// Whether a probe made of the other looks the same way. The record's weight and tags do not matter
    /// to it, but to a component they might.
    fn is_like(&self, other: &MadeOf) -> bool {
        let same_checker = match (&self.checker, &other.checker) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_checker && self.record == other.record && Arc::ptr_eq(&self.vitals, &other.vitals)
    }
}

impl Task {
    pub(super) fn new(instance: InstanceKey, check: Arc<Check>, due: Instant, of: MadeOf) -> Self {
        let probe = Probe::new(&check, &of.record, &of.vitals, of.checker.clone());
        Self {
            instance,
            belief: Belief::new(check.schedule.initial),
            check,
            due,
            probe: Some(probe),
            looking: false,
            made_of: of,
        }
    }

    /// Goes on with another check of the same name, or of another record: what it believes stays.
    pub(super) fn renew(&mut self, check: Arc<Check>, of: MadeOf) {
        if self.check == check && self.made_of.is_like(&of) {
            return;
        }
        self.probe = Some(Probe::new(&check, &of.record, &of.vitals, of.checker.clone()));
        (self.check, self.made_of) = (check, of);
    }

    /// The probe, to look with. `None` while another look is under way.
    pub(super) fn begin(&mut self) -> Option<Probe> {
        if self.looking {
            return None;
        }
        self.looking = self.probe.is_some();
        self.probe.take()
    }

    /// The look is over. Its probe is kept, unless it was [renewed](Task::renew) meanwhile.
    pub(super) fn end(&mut self, probe: Probe) {
        self.looking = false;
        self.probe.get_or_insert(probe);
    }
}
