//! The loop over a registry, with checkers that say what the test wants, in paused time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::scheduler::Scheduler;
use super::state::PassiveSettings;
use super::*;
use crate::config;
use crate::model::HealthStatus::{Critical, Passing, Warning};
use crate::model::{
    Check, CheckKind, CheckName, HealthStatus, InstanceId, InstanceRecord, PluginCheck,
    PluginSource, Schedule, ServiceKey, ServiceName, Verdict, Weight,
};
use crate::plugin::health_check::Target;
use crate::registry::{Author, Change, Registry, Request};
use crate::store::Memory;
use crate::telemetry::Metrics;

/// The number of the instance of which a check panics.
const BUG: usize = 666;

/// Says what it is told to, after a while.
struct Scripted {
    says: Mutex<(HealthStatus, Duration)>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl PluginProbe for Scripted {
    async fn check(&self, target: &Target, _: Duration) -> Result<Verdict, ProbeFault> {
        assert_ne!(target.record.id, id(BUG));
        self.asked.fetch_add(1, Ordering::SeqCst);
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        let (status, after) = *self.says.lock();
        tokio::time::sleep(after).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        Ok(Verdict::new(status, format!("it is {status}")))
    }
}

struct Bench {
    registry: Registry,
    probe: Arc<Scripted>,
    plan: watch::Sender<Arc<Plan>>,
    inbox: TrafficInbox,
    metrics: Metrics,
}

fn service() -> ServiceKey {
    ServiceKey::in_default(ServiceName::new("web").unwrap())
}

fn id(number: usize) -> InstanceId {
    InstanceId::new(&format!("i{number}")).unwrap()
}

fn check_with(schedule: Schedule) -> Check {
    let kind = CheckKind::Plugin(PluginCheck {
        source: PluginSource::BuiltIn("scripted".to_owned()),
        config_json: String::new(),
        allow: Vec::new(),
        fresh: false,
        memory_bytes: 1,
    });
    Check { name: CheckName::new("scripted").unwrap(), kind, schedule }
}

impl Bench {
    async fn new(schedule: Schedule, max_concurrent: usize) -> Self {
        let store = Arc::new(Memory::default());
        let (registry, writer) =
            crate::registry::open(store, config::Registry::default()).await.unwrap();
        tokio::spawn(writer.run());
        let probe = Arc::new(Scripted {
            says: Mutex::new((Passing, Duration::ZERO)),
            asked: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let check = check_with(schedule);
        let CheckKind::Plugin(plugin) = &check.kind else { unreachable!() };
        let plan = Plan {
            plugins: HashMap::from([(plugin.clone(), probe.clone() as Arc<dyn PluginProbe>)]),
            by_service: BTreeMap::from([(service(), vec![Arc::new(check)])]),
            passive: BTreeMap::new(),
            passive_default: Some(PassiveSettings { failures: 3, rest: Duration::from_secs(30) }),
            max_concurrent,
        };
        let (plan, plans) = watch::channel(Arc::new(plan));
        let metrics = Metrics::new();
        let health = metrics.health();
        let (inbox, reports) = TrafficInbox::new(health.reports_dropped.clone());
        let handle = tokio::runtime::Handle::current();
        let scheduler = Scheduler::new(registry.clone(), plans, reports, health, handle);
        tokio::spawn(scheduler.run());
        tokio::task::yield_now().await;
        Self { registry, probe, plan, inbox, metrics }
    }

    async fn register(&self, number: usize) {
        let record = InstanceRecord {
            service: service(),
            id: id(number),
            version: None,
            host: "127.0.0.1".to_owned(),
            port: 9000,
            protocol: String::new(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            tags: Default::default(),
            metadata: Default::default(),
            ttl: None,
            checks: Vec::new(),
        };
        let author = Author { who: "tester".to_owned(), from: String::new() };
        let request = Request { change: Change::Register(record), author, expected: None };
        self.registry.apply(request).await.unwrap();
    }

    fn say(&self, status: HealthStatus, after: Duration) {
        *self.probe.says.lock() = (status, after);
    }

    /// Waits until an instance is `status`; its reason, and how long it took.
    async fn until(&self, number: usize, status: HealthStatus) -> (String, Duration) {
        let began = tokio::time::Instant::now();
        let wait = async {
            let mut index = 0;
            loop {
                let snapshot = self.registry.changed(&service(), index).await;
                index = snapshot.index_of(&service());
                let view = &snapshot.services[&service()];
                let Some(instance) = view.instances.get(&id(number)) else { continue };
                if instance.health.status == status && !instance.health.checks.is_empty() {
                    return instance.health.reason.to_string();
                }
            }
        };
        let reason = tokio::time::timeout(Duration::from_secs(600), wait).await.unwrap();
        (reason, began.elapsed())
    }

    fn asked(&self) -> usize {
        self.probe.asked.load(Ordering::SeqCst)
    }
}

fn schedule() -> Schedule {
    Schedule { jitter: 0.0, ..Schedule::default() }
}

#[tokio::test(start_paused = true)]
async fn a_new_instance_is_checked_at_once_and_flips_after_fall_and_rise() {
    let bench = Bench::new(schedule(), 10).await;
    bench.register(1).await;
    let (reason, took) = bench.until(1, Passing).await;
    assert_eq!(reason, "it is passing");
    assert!(took < Duration::from_millis(10), "{took:?}");
    bench.say(Critical, Duration::ZERO);
    let (reason, took) = bench.until(1, Critical).await;
    assert_eq!(reason, "it is critical");
    // One interval at most, and two of those while the results disagree.
    assert!(took < Duration::from_millis(12_020), "{took:?}");
    assert_eq!(bench.asked(), 4);
    bench.say(Passing, Duration::ZERO);
    let (_, took) = bench.until(1, Passing).await;
    assert!(took < Duration::from_millis(11_020), "{took:?}");
    let text = bench.metrics.render();
    assert!(text.contains(r#"flips_total{from="passing",to="critical"} 1"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_check_stretches_nothing_and_is_not_doubled() {
    let quick = Schedule { interval: Duration::from_secs(1), ..schedule() };
    let bench = Bench::new(Schedule { timeout: Duration::from_secs(60), ..quick }, 10).await;
    bench.say(Passing, Duration::from_millis(2_500));
    bench.register(1).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.probe.most_at_once.load(Ordering::SeqCst), 1);
    assert!((9..=11).contains(&bench.asked()), "every third second: {}", bench.asked());
    let text = bench.metrics.render();
    let skipped = text.lines().find(|l| l.starts_with("proconsul_health_checks_skipped_total"));
    let skipped: f64 = skipped.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!((18.0..=21.0).contains(&skipped), "{skipped}");
}

#[tokio::test(start_paused = true)]
async fn checks_in_flight_are_bounded_and_none_is_lost() {
    let bench = Bench::new(schedule(), 3).await;
    bench.say(Passing, Duration::from_millis(100));
    for number in 0..20 {
        bench.register(number).await;
    }
    for number in 0..20 {
        bench.until(number, Passing).await;
    }
    assert_eq!(bench.probe.most_at_once.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn what_left_is_not_asked_and_what_is_planned_no_more_is_told() {
    let bench = Bench::new(schedule(), 10).await;
    bench.say(Critical, Duration::ZERO);
    bench.register(1).await;
    bench.until(1, Critical).await;
    let mut plan = Plan::clone(&bench.plan.borrow());
    plan.by_service.clear();
    bench.plan.send(Arc::new(plan)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let snapshot = bench.registry.snapshot();
    let health = &snapshot.services[&service()].instances[&id(1)].health;
    assert_eq!((health.status, health.checks.len()), (Passing, 0));
    let asked = bench.asked();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_is_believed() {
    let bench = Bench::new(schedule(), 10).await;
    bench.say(Critical, Duration::ZERO);
    bench.register(1).await;
    bench.until(1, Critical).await;
    let index = bench.registry.snapshot().index;
    let mut plan = Plan::clone(&bench.plan.borrow());
    let slower = Schedule { interval: Duration::from_secs(20), ..schedule() };
    plan.by_service = BTreeMap::from([(service(), vec![Arc::new(check_with(slower))])]);
    bench.plan.send(Arc::new(plan)).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.registry.snapshot().index, index, "nothing was told anew");
}

#[tokio::test(start_paused = true)]
async fn traffic_takes_out_and_a_good_check_calls_back() {
    let bench = Bench::new(schedule(), 10).await;
    bench.register(1).await;
    bench.until(1, Passing).await;
    bench.say(Passing, Duration::from_millis(500));
    let report = TrafficReport { service: service(), instance: id(1), what: Traffic::Refused };
    assert!(bench.inbox.report(report));
    let (reason, took) = bench.until(1, Critical).await;
    assert_eq!(reason, "connection refused; out for 30s");
    assert!(took < Duration::from_millis(10), "{took:?}");
    let snapshot = bench.registry.snapshot();
    let instance = snapshot.services[&service()].instances[&id(1)].clone();
    assert!(!instance.vitals.endpoint.eligible());
    let (_, took) = bench.until(1, Passing).await;
    assert!((490..600).contains(&took.as_millis()), "{took:?}");
    assert!(instance.vitals.endpoint.eligible());
}

#[tokio::test(start_paused = true)]
async fn without_a_good_check_the_rest_s_end_calls_back() {
    let never = Schedule { fall: 1000, ..schedule() };
    let bench = Bench::new(never, 10).await;
    bench.register(1).await;
    bench.until(1, Passing).await;
    bench.say(Critical, Duration::ZERO);
    for _ in 0..3 {
        let report = TrafficReport { service: service(), instance: id(1), what: Traffic::Failed };
        bench.inbox.report(report);
    }
    let (reason, _) = bench.until(1, Critical).await;
    assert_eq!(reason, "3 failures in a row; out for 30s");
    let (_, took) = bench.until(1, Passing).await;
    assert!((29_900..30_100).contains(&took.as_millis()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_said_to_be_broken_and_others_go_on() {
    let bench = Bench::new(schedule(), 1).await;
    bench.register(BUG).await;
    bench.register(1).await;
    let (reason, _) = bench.until(BUG, Warning).await;
    assert_eq!(reason, "the check itself failed: it panicked");
    bench.until(1, Passing).await;
    bench.say(Critical, Duration::ZERO);
    bench.until(1, Critical).await;
    let (reason, _) = bench.until(BUG, Warning).await;
    assert_eq!(reason, "the check itself failed: it panicked");
}
