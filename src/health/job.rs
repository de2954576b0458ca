//! One check of one instance as the loop keeps it, and all of them with their timers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;
use tokio_util::time::{DelayQueue, delay_queue};

use super::probe::{Kept, Probe};
use super::state::{Belief, Pace};
use crate::model::{CheckName, InstanceId, Schedule, ServiceKey, Verdict};
use crate::registry::Vitals;

/// Never used twice, so that what is late for one job cannot meet another.
pub(super) type JobId = u64;

/// What a timer is for.
pub(super) enum Timer {
    Check(JobId),
    /// The end of an instance's rest.
    Rest(ServiceKey, InstanceId),
}

/// A check that runs.
pub(super) struct Running {
    pub abort: AbortHandle,
    /// Tells its result from one of a check before it that was called off.
    pub ticket: u64,
    pub began: Instant,
}

/// One check of one instance.
pub(super) struct Job {
    pub service: ServiceKey,
    pub instance: InstanceId,
    pub probe: Arc<Probe>,
    pub vitals: Arc<Vitals>,
    pub belief: Belief,
    /// What the registry was last told.
    pub told: Option<Verdict>,
    pub kept: Kept,
    pub running: Option<Running>,
    /// Due, and waits for one of the checks in flight to end.
    pub queued: bool,
    /// To be checked once more as soon as the running check is over.
    pub again: bool,
    /// It never ran, and is of an instance that is new.
    pub fresh: bool,
    pub due: Instant,
    /// What `due` was computed with.
    pub pace: Pace,
    pub timer: Option<delay_queue::Key>,
}

impl Job {
    pub(super) fn name(&self) -> &CheckName {
        &self.probe.prepared.check.name
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.probe.prepared.check.schedule
    }

    /// Calls off what runs, and forgets the connection.
    pub(super) fn call_off(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort.abort();
        }
        self.kept = Kept::Nothing;
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Jobs {
    by_id: HashMap<JobId, Job>,
    last: JobId,
    pub timers: DelayQueue<Timer>,
}

impl Jobs {
    /// Takes a job in, to run when it is due.
    pub(super) fn add(&mut self, job: Job) -> JobId {
        self.last += 1;
        let (id, due) = (self.last, job.due);
        self.by_id.insert(id, job);
        self.arm(id, due);
        id
    }

    pub(super) fn get(&mut self, id: JobId) -> Option<&mut Job> {
        self.by_id.get_mut(&id)
    }

    /// Sets when a job is due next.
    pub(super) fn arm(&mut self, id: JobId, due: Instant) {
        let Some(job) = self.by_id.get_mut(&id) else { return };
        job.due = due;
        match &job.timer {
            Some(timer) => self.timers.reset_at(timer, due.into()),
            None => job.timer = Some(self.timers.insert_at(Timer::Check(id), due.into())),
        }
    }

    /// Calls off what runs, and forgets all of it.
    pub(super) fn remove(&mut self, id: JobId) -> Option<Job> {
        let mut job = self.by_id.remove(&id)?;
        job.call_off();
        if let Some(timer) = job.timer.take() {
            self.timers.remove(&timer);
        }
        Some(job)
    }
}
