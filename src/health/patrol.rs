//! The loop itself. It never waits for a check: each looks in a task of its own, and reports back.
//!
//! Checks in flight are bounded by a semaphore. One that finds none free waits in its own task, so that
//! no check stretches the interval of another; how late each begins is measured. A check that is due
//! while its last look is still under way is passed over once, and counted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::sleep_until;

use super::plan::Plan;
use super::probe::Probe;
use super::queue::{Queue, TaskId};
use super::state::{Passive, PassiveFlip};
use super::task::{MadeOf, Task};
use super::traffic::{Met, TrafficReport};
use crate::model::{CheckName, HealthStatus, InstanceKey, ServiceKey, Verdict};
use crate::registry::{Follower, Instance, Observed, Registry, ServiceView, Snapshot};
use crate::telemetry::metrics::HealthMetrics;

/// So many new checks begin at once; of more, the first looks are spread over their interval.
const AT_ONCE: usize = 256;

/// Results that may wait to be taken in. Checks wait with theirs beyond that.
const MAX_WAITING_RESULTS: usize = 1024;

/// The name of what traffic believes.
const TRAFFIC: &str = "traffic";

pub(super) struct Patrol {
    registry: Registry,
    plan: watch::Receiver<Arc<Plan>>,
    reports: mpsc::Receiver<TrafficReport>,
    follower: Follower,
    metrics: HealthMetrics,
    permits: Arc<Semaphore>,
    tasks: HashMap<TaskId, Task>,
    /// Who is watched, by service, and by which tasks.
    watched: BTreeMap<ServiceKey, HashMap<InstanceKey, BTreeMap<CheckName, TaskId>>>,
    queue: Queue,
    next_task: TaskId,
    /// What traffic met, of instances that it had trouble with.
    passive: HashMap<InstanceKey, Passive>,
    results: mpsc::Receiver<Looked>,
    tell_results: mpsc::Sender<Looked>,
}

/// A look that is over.
struct Looked {
    task: TaskId,
    probe: Probe,
    verdict: Verdict,
    took: Duration,
}

impl Patrol {
    pub(super) fn new(
        registry: Registry,
        plan: watch::Receiver<Arc<Plan>>,
        reports: mpsc::Receiver<TrafficReport>,
        max_concurrent: usize,
        metrics: HealthMetrics,
    ) -> Self {
        let (tell_results, results) = mpsc::channel(MAX_WAITING_RESULTS);
        let follower = registry.follow();
        Self {
            registry,
            plan,
            reports,
            follower,
            metrics,
            permits: Arc::new(Semaphore::new(max_concurrent)),
            tasks: HashMap::new(),
            watched: BTreeMap::new(),
            queue: Queue::default(),
            next_task: 0,
            passive: HashMap::new(),
            results,
            tell_results,
        }
    }

    pub(super) async fn run(mut self) {
        let everybody = self.registry.snapshot();
        self.look_around(&everybody, everybody.services.keys().cloned().collect()).await;
        loop {
            let due = self.queue.next();
            let rested = self.passive.values().filter_map(Passive::out_until).min();
            tokio::select! {
                changed = self.follower.next() => {
                    let snapshot = self.registry.snapshot();
                    self.look_around(&snapshot, changed).await;
                }
                changed = self.plan.changed() => {
                    if changed.is_err() {
                        return; // nobody is left who could change it: the process ends
                    }
                    let snapshot = self.registry.snapshot();
                    let everybody = snapshot.services.keys().cloned().collect();
                    self.look_around(&snapshot, everybody).await;
                }
                Some(looked) = self.results.recv() => self.take_in(looked).await,
                Some(report) = self.reports.recv() => self.hear(report).await,
                () = until(due) => self.begin_due(Instant::now()),
                () = until(rested) => self.end_rests(Instant::now()).await,
            }
        }
    }

    /// Makes the tasks of `services` what they should be.
    async fn look_around(&mut self, snapshot: &Snapshot, services: BTreeSet<ServiceKey>) {
        let plan = self.plan.borrow_and_update().clone();
        let mut begun = Vec::new();
        let mut ended = Vec::new();
        for key in services {
            let mut former = self.watched.remove(&key).unwrap_or_default();
            let mut present = HashMap::new();
            if let Some(view) = snapshot.services.get(&key) {
                for (id, instance) in &view.instances {
                    let instance_key = InstanceKey { service: key.clone(), id: id.clone() };
                    let tasks = former.remove(&instance_key).unwrap_or_default();
                    let tasks = self.tasks_of(
                        &plan,
                        view,
                        instance,
                        &instance_key,
                        tasks,
                        &mut begun,
                        &mut ended,
                    );
                    if !tasks.is_empty() {
                        present.insert(instance_key, tasks);
                    }
                }
            }
            for (_, tasks) in former {
                tasks.values().for_each(|task| _ = self.tasks.remove(task));
            }
            self.passive.retain(|instance, _| {
                instance.service != key
                    || snapshot
                        .services
                        .get(&key)
                        .is_some_and(|view| view.instances.contains_key(&instance.id))
            });
            if !present.is_empty() {
                self.watched.insert(key, present);
            }
        }
        self.metrics.tasks.set(self.tasks.len() as i64);
        self.schedule_first(&begun);
        // What is believed at first is told, so that nobody takes silence for health.
        let first = begun.iter().filter_map(|id| self.tasks.get(id)).map(|task| Observed {
            service: task.instance.service.clone(),
            instance: task.instance.id.clone(),
            check: task.check.name.clone(),
            verdict: Some(Verdict::new(task.belief.status(), "not checked yet")),
        });
        let observed: Vec<Observed> = ended.into_iter().chain(first).collect();
        if !observed.is_empty() {
            self.registry.observe(observed).await;
        }
    }

    #[allow(clippy::too_many_arguments)] // two lists to add to
    fn tasks_of(
        &mut self,
        plan: &Plan,
        view: &ServiceView,
        instance: &Instance,
        key: &InstanceKey,
        mut former: BTreeMap<CheckName, TaskId>,
        begun: &mut Vec<TaskId>,
        ended: &mut Vec<Observed>,
    ) -> BTreeMap<CheckName, TaskId> {
        let mut tasks = BTreeMap::new();
        for (name, check) in plan.checks(view, instance) {
            let of = MadeOf {
                record: instance.record.clone(),
                vitals: instance.vitals.clone(),
                checker: plan.checker(&check),
            };
            let id = match former.remove(&name) {
                Some(id) => {
                    if let Some(task) = self.tasks.get_mut(&id) {
                        task.renew(check, of);
                    }
                    id
                }
                None => {
                    let id = self.next_task;
                    self.next_task += 1;
                    let task = Task::new(key.clone(), check, Instant::now(), of);
                    self.tasks.insert(id, task);
                    begun.push(id);
                    id
                }
            };
            tasks.insert(name, id);
        }
        for (check, id) in former {
            self.tasks.remove(&id);
            let (service, instance) = (key.service.clone(), key.id.clone());
            ended.push(Observed { service, instance, check, verdict: None });
        }
        tasks
    }

    fn schedule_first(&mut self, begun: &[TaskId]) {
        let now = Instant::now();
        for id in begun {
            let Some(task) = self.tasks.get_mut(id) else { continue };
            if begun.len() > AT_ONCE {
                task.due = now + task.check.schedule.interval.mul_f32(fastrand::f32());
            }
            self.queue.push(task.due, *id);
        }
    }

    fn begin_due(&mut self, now: Instant) {
        while let Some((due, id)) = self.queue.pop_due(now) {
            let Some(task) = self.tasks.get_mut(&id).filter(|task| task.due == due) else {
                continue; // it ended, or is due at another time
            };
            let interval = task.belief.interval(&task.check.schedule, fastrand::f32());
            task.due = (due + interval).max(now); // what was missed is not made up for
            self.queue.push(task.due, id);
            let Some(mut probe) = task.begin() else {
                self.metrics.skipped.inc();
                continue;
            };
            let (permits, tell) = (self.permits.clone(), self.tell_results.clone());
            let (limit, metrics) = (task.check.schedule.timeout, self.metrics.clone());
            tokio::spawn(async move {
                let permit = permits.acquire().await;
                let begun = Instant::now();
                metrics.lateness.observe((begun - due).as_secs_f64());
                let verdict = probe.look(limit).await;
                drop(permit);
                // The loop ends with the process only.
                let _ = tell.send(Looked { task: id, probe, verdict, took: begun.elapsed() }).await;
            });
        }
    }

    async fn take_in(&mut self, looked: Looked) {
        let Looked { task: id, probe, verdict, took } = looked;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.end(probe);
        self.metrics.looked(&task.check.kind, verdict.status, took);
        let well = verdict.status != HealthStatus::Critical;
        let former_interval = task.belief.interval(&task.check.schedule, 0.5);
        let flip = task.belief.observe(verdict, &task.check.schedule);
        // Another interval holds from here on: from this look's beginning, not from its end.
        let interval = task.belief.interval(&task.check.schedule, 0.5);
        if interval < former_interval {
            let sooner = Instant::now() + interval.saturating_sub(took);
            if sooner < task.due {
                task.due = sooner;
                self.queue.push(sooner, id);
            }
        }
        let (instance, check) = (task.instance.clone(), task.check.name.clone());
        let is_active = task.check.kind.is_active();
        let mut observed = Vec::new();
        if let Some(verdict) = flip {
            self.log_flip(&instance, &check, &verdict);
            observed.push(observation(&instance, check, verdict));
        }
        // Traffic kept it out, a look found it well.
        if well
            && is_active
            && let Some(passive) = self.passive.get_mut(&instance)
            && passive.call_back().is_some()
        {
            observed.push(self.back(&instance, "a check found it well"));
        }
        if !observed.is_empty() {
            self.registry.observe(observed).await;
        }
    }

    async fn hear(&mut self, report: TrafficReport) {
        let TrafficReport { instance, met } = report;
        let plan = self.plan.borrow().clone();
        let health = plan.health(&instance.service);
        let snapshot = self.registry.snapshot();
        let is_known = snapshot
            .services
            .get(&instance.service)
            .is_some_and(|view| view.instances.contains_key(&instance.id));
        if !is_known {
            return; // it left meanwhile
        }
        let now = Instant::now();
        let passive = self.passive.entry(instance.clone()).or_default();
        let (limit, rest) = (health.passive_failures, health.passive_rest);
        let flip = match met {
            Met::Refused => passive.failed(true, limit, rest, now),
            Met::Failure => passive.failed(false, limit, rest, now),
            Met::Success => passive.succeeded(),
        };
        let observed = match flip {
            Some(PassiveFlip::Out { rest }) => {
                self.metrics.ejections.inc();
                self.look_at_once(&instance, now);
                let why = match met {
                    Met::Refused => "a request's connection was refused".to_owned(),
                    _ => format!("{limit} requests in a row failed"),
                };
                let check = traffic();
                let reason = format!("{why}; out for {rest:?} unless a check finds it well");
                let verdict = Verdict::new(HealthStatus::Critical, reason);
                self.log_flip(&instance, &check, &verdict);
                observation(&instance, check, verdict)
            }
            Some(PassiveFlip::Back) => self.back(&instance, "a request was answered"),
            None => return,
        };
        self.registry.observe(vec![observed]).await;
    }

    /// Has the instance's checks made now: traffic says that something is wrong.
    fn look_at_once(&mut self, instance: &InstanceKey, now: Instant) {
        let tasks = self.watched.get(&instance.service).and_then(|all| all.get(instance));
        for id in tasks.into_iter().flat_map(BTreeMap::values) {
            if let Some(task) = self.tasks.get_mut(id).filter(|task| !task.looking) {
                task.due = now;
                self.queue.push(now, *id);
            }
        }
    }

    async fn end_rests(&mut self, now: Instant) {
        let over = self.passive.iter_mut();
        let back: Vec<InstanceKey> = over
            .filter_map(|(instance, passive)| passive.rested(now).map(|_| instance.clone()))
            .collect();
        let observed = back.iter().map(|instance| self.back(instance, "its rest is over"));
        let observed = observed.collect();
        self.registry.observe(observed).await;
    }

    fn back(&self, instance: &InstanceKey, reason: &str) -> Observed {
        let (check, verdict) = (traffic(), Verdict::new(HealthStatus::Passing, reason));
        self.log_flip(instance, &check, &verdict);
        observation(instance, check, verdict)
    }

    fn log_flip(&self, instance: &InstanceKey, check: &CheckName, verdict: &Verdict) {
        self.metrics.flipped(verdict.status);
        let InstanceKey { service, id } = instance;
        let (status, reason) = (verdict.status.as_str(), verdict.reason.as_str());
        tracing::info!(%service, instance = %id, %check, status, reason, "health changed");
    }
}

fn observation(instance: &InstanceKey, check: CheckName, verdict: Verdict) -> Observed {
    let InstanceKey { service, id } = instance.clone();
    Observed { service, instance: id, check, verdict: Some(verdict) }
}

fn traffic() -> CheckName {
    CheckName::new(TRAFFIC).expect("a word is a name")
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
