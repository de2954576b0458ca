//! The loop: waits for whatever is next, and lets checks begin when they are due.
//!
//! At the bound of checks in flight the others wait in line, and are late; how late is measured. A check that
//! still runs when its next is due is not doubled: that one is skipped, and counted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::job::{JobId, Jobs, Running, Timer};
use super::outbox::Outbox;
use super::plan::Plan;
use super::probe::{Dialer, Outcome};
use super::roster::Service;
use super::state::{next_due, phase_in};
use super::traffic::TrafficReport;
use crate::model::ServiceKey;
use crate::registry::{Follower, Registry};
use crate::telemetry::metrics::HealthMetrics;

/// What a check's task hands back.
pub(super) struct Done {
    pub job: JobId,
    pub ticket: u64,
    pub outcome: Outcome,
}

/// Everything that the loop owns.
pub(super) struct Scheduler {
    pub(super) registry: Registry,
    follower: Follower,
    plans: watch::Receiver<Arc<Plan>>,
    reports: mpsc::Receiver<TrafficReport>,
    pub(super) plan: Arc<Plan>,
    pub(super) metrics: HealthMetrics,
    pub(super) services: BTreeMap<ServiceKey, Service>,
    pub(super) jobs: Jobs,
    pub(super) outbox: Arc<Outbox>,
    pub(super) rng: fastrand::Rng,
    dialer: Arc<Dialer>,
    in_flight: JoinSet<Done>,
    /// Due, in order.
    queue: VecDeque<JobId>,
    tickets: u64,
}

/// The clock that timers go by.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Scheduler {
    pub(super) fn new(
        registry: Registry,
        mut plans: watch::Receiver<Arc<Plan>>,
        reports: mpsc::Receiver<TrafficReport>,
        metrics: HealthMetrics,
        plugins: tokio::runtime::Handle,
    ) -> Self {
        let plan = plans.borrow_and_update().clone();
        Self {
            // Before the snapshot is read, so that nothing is missed.
            follower: registry.follow(),
            registry,
            plan,
            plans,
            reports,
            metrics,
            services: BTreeMap::new(),
            jobs: Jobs::default(),
            outbox: Arc::default(),
            rng: fastrand::Rng::new(),
            dialer: Arc::new(Dialer::new(plugins)),
            in_flight: JoinSet::new(),
            queue: VecDeque::new(),
            tickets: 0,
        }
    }

    /// Runs for ever.
    pub(super) async fn run(mut self) {
        let outbox = self.outbox.clone();
        let registry = self.registry.clone();
        let deliver = async move { outbox.deliver(registry).await };
        tokio::select! {
            () = deliver => {}
            () = self.turn() => {}
        }
    }

    async fn turn(&mut self) {
        self.sync_all(true);
        loop {
            self.begin_queued();
            tokio::select! {
                Some(expired) = self.jobs.timers.next() => self.expired(expired.into_inner()),
                // One that was called off has nothing to say.
                Some(done) = self.in_flight.join_next() => if let Ok(done) = done {
                    self.finished(done);
                },
                changed = self.follower.next() => {
                    let begun = Instant::now();
                    self.sync(&changed);
                    self.follower.worked(begun.elapsed());
                }
                Some(report) = self.reports.recv() => self.reported(&report),
                Ok(()) = self.plans.changed() => {
                    self.plan = self.plans.borrow_and_update().clone();
                    self.sync_all(false);
                }
            }
        }
    }

    fn expired(&mut self, timer: Timer) {
        match timer {
            Timer::Check(id) => self.due(id),
            Timer::Rest(service, instance) => self.rested(&service, &instance),
        }
    }

    fn due(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(id) else { return };
        job.timer = None;
        if job.running.is_some() {
            self.metrics.skipped.inc();
            let due = next_due(job.schedule(), job.pace, job.due, now(), &mut self.rng);
            self.jobs.arm(id, due);
        } else if !job.queued {
            job.queued = true;
            self.queue.push_back(id);
        }
    }

    fn begin_queued(&mut self) {
        while self.in_flight.len() < self.plan.max_concurrent.max(1)
            && let Some(id) = self.queue.pop_front()
        {
            self.begin(id);
        }
        self.metrics.in_flight.set(self.in_flight.len() as i64);
    }

    fn begin(&mut self, id: JobId) {
        let now = now();
        let Some(job) = self.jobs.get(id) else { return }; // gone while it waited
        job.queued = false;
        self.metrics.lateness_seconds.observe((now - job.due).as_secs_f64());
        job.pace = job.belief.pace();
        let next = match std::mem::take(&mut job.fresh) {
            true => phase_in(job.schedule(), now, &mut self.rng),
            false => next_due(job.schedule(), job.pace, job.due, now, &mut self.rng),
        };
        if let Some(verdict) = job.probe.look(&job.vitals) {
            self.jobs.arm(id, next);
            self.looked(id, verdict, now);
            return;
        }
        let kept = std::mem::take(&mut job.kept);
        let check = job.probe.clone().run(self.dialer.clone(), kept);
        self.tickets += 1;
        let ticket = self.tickets;
        let task = async move { Done { job: id, ticket, outcome: check.await } };
        job.running = Some(Running { abort: self.in_flight.spawn(task), ticket, began: now });
        self.jobs.arm(id, next);
    }
}
