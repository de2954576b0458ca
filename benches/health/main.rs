//! What it costs to check many instances over HTTP, how late a check is, and how soon a flip is seen.
//!
//! `cargo bench --bench health`. One `key value` a line; each key has its unit last. The instances are ports
//! of another process: this program, started once more (`--upstream`). `--quick` checks fewer, for less long.

mod upstream;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proconsul::config;
use proconsul::health::state::PassiveSettings;
use proconsul::health::{self, Plan, TRAFFIC_CHECK, Traffic, TrafficInbox, TrafficReport};
use proconsul::model::{
    Check, CheckKind, CheckName, HealthStatus, HttpCheck, InstanceId, InstanceRecord, Schedule,
    ServiceKey, ServiceName, Weight,
};
use proconsul::registry::{self, Registry};
use proconsul::store::Memory;
use proconsul::telemetry::Metrics;
use tokio::sync::watch;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of which the latency is measured, one after the other.
const FLIPS: usize = 200;

const INTERVAL: Duration = Duration::from_secs(10);

struct Size {
    instances: usize,
    measured: Duration,
}

fn main() -> Result<()> {
    let mut size = Size { instances: 10_000, measured: Duration::from_secs(30) };
    for argument in std::env::args().skip(1).filter(|argument| argument != "--bench") {
        match argument.as_str() {
            "--upstream" => return upstream::run(),
            "--quick" => size = Size { instances: 500, measured: Duration::from_secs(10) },
            other => bail!("`{other}` is not known; --quick"),
        }
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(measure(&size))
}

async fn measure(size: &Size) -> Result<()> {
    let mut upstream = Upstream::start()?;
    let store = Arc::new(Memory::default());
    let (registry, writer) = registry::open(store, config::Registry::default()).await?;
    tokio::spawn(writer.run());
    let service = ServiceKey::in_default(ServiceName::new("web")?);
    let instances = (0..size.instances)
        .map(|number| record(&service, number, upstream.ports[number % upstream.ports.len()]));
    registry.configure(instances.collect::<Result<_>>()?).await;
    let plan = Plan {
        by_service: [(service.clone(), vec![Arc::new(check()?)])].into(),
        passive_default: Some(PassiveSettings { failures: 5, rest: INTERVAL }),
        max_concurrent: config::Health::default().max_concurrent,
        ..Plan::default()
    };
    let metrics = Metrics::new();
    let (_plan, plans) = watch::channel(Arc::new(plan));
    let (_loop, inbox) = health::start(registry.clone(), plans, metrics.health())?;

    // Until each was asked twice, and its connection stands.
    tokio::time::sleep(INTERVAL * 2).await;
    let late = metrics.health().lateness_seconds.clone();
    let (cpu_before, checks_before, late_before) =
        (cpu_seconds()?, late.get_sample_count(), buckets(&late));
    let began = Instant::now();
    tokio::time::sleep(size.measured).await;
    let elapsed = began.elapsed().as_secs_f64();
    let checks = late.get_sample_count() - checks_before;
    say("health_checked_instances", size.instances as f64);
    say("health_checks_per_s", checks as f64 / elapsed);
    say("health_cpu_percent_of_core", (cpu_seconds()? - cpu_before) / elapsed * 100.0);
    say("health_lateness_p99_at_most_s", quantile(&late_before, &buckets(&late), 0.99));
    say("health_skipped", metrics.health().skipped.get() as f64);
    say("health_resident_mib", resident_mib()?);

    say("health_flip_to_seen_p99_ms", flip_to_seen_ms(&registry, &inbox, &service).await?);

    // Each answer is bad from now on. This holds the wait for the next check, and for the third bad answer.
    let before = Instant::now();
    upstream.fail()?;
    let all = flipped(&registry, &service, size.instances).await?;
    say("health_all_critical_after_s", (all - before).as_secs_f64());
    Ok(())
}

/// From a verdict (that of traffic: it is known when it is given) to its being seen in the registry, while
/// all the checks go on.
async fn flip_to_seen_ms(
    registry: &Registry,
    inbox: &TrafficInbox,
    service: &ServiceKey,
) -> Result<f64> {
    let mut taken_ms = Vec::with_capacity(FLIPS);
    for number in 0..FLIPS {
        let instance = InstanceId::new(&format!("i{number}"))?;
        let report = TrafficReport {
            service: service.clone(),
            instance: instance.clone(),
            what: Traffic::Refused,
        };
        let began = Instant::now();
        inbox.report(report);
        let mut index = registry.snapshot().index_of(service);
        loop {
            let snapshot = registry.snapshot();
            let seen =
                snapshot.services.get(service).and_then(|view| view.instances.get(&instance));
            let told = seen.and_then(|seen| seen.health.checks.get(&*TRAFFIC_CHECK));
            if told.is_some() {
                break;
            }
            index = registry.changed(service, index).await.index_of(service);
        }
        taken_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    taken_ms.sort_by(f64::total_cmp);
    Ok(taken_ms[FLIPS * 99 / 100])
}

/// When all of a service's instances were seen to be critical.
async fn flipped(registry: &Registry, service: &ServiceKey, wanted: usize) -> Result<Instant> {
    let wait = async {
        let mut index = 0;
        loop {
            let snapshot = registry.changed(service, index).await;
            let view = snapshot.services.get(service);
            let Some(view) = view else { continue };
            index = view.index;
            let critical = |health: &registry::Health| health.status == HealthStatus::Critical;
            if view.instances.values().filter(|i| critical(&i.health)).count() == wanted {
                return Instant::now();
            }
        }
    };
    tokio::time::timeout(INTERVAL * 4, wait).await.context("not all flipped")
}

fn check() -> Result<Check> {
    let kind = CheckKind::Http(HttpCheck {
        method: "GET".to_owned(),
        path: "/healthz".to_owned(),
        host: None,
        headers: Vec::new(),
        statuses: vec![(200, 299)],
        body_contains: None,
        body_matches: None,
        port: None,
        tls: None,
        degraded_above: None,
    });
    let schedule = Schedule { interval: INTERVAL, ..Schedule::default() };
    Ok(Check { name: CheckName::new("http")?, kind, schedule })
}

fn record(service: &ServiceKey, number: usize, port: u16) -> Result<InstanceRecord> {
    Ok(InstanceRecord {
        service: service.clone(),
        id: InstanceId::new(&format!("i{number}"))?,
        version: None,
        host: "127.0.0.1".to_owned(),
        port,
        protocol: "http".to_owned(),
        weight: Weight::DEFAULT,
        zone: String::new(),
        region: String::new(),
        tags: Default::default(),
        metadata: Default::default(),
        ttl: None,
        checks: Vec::new(),
    })
}

/// The instances' process.
struct Upstream {
    child: Child,
    orders: ChildStdin,
    ports: Vec<u16>,
}

impl Upstream {
    fn start() -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--upstream")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take().context("stdin is a pipe")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let ports = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { child, orders, ports })
    }

    fn fail(&mut self) -> Result<()> {
        Ok(writeln!(self.orders, "fail")?)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Of this process: user and system.
fn cpu_seconds() -> Result<f64> {
    // All threads' time is the sum of theirs, in nanoseconds: `stat` has it in hundredths of a second.
    let threads = std::fs::read_dir("/proc/self/task")?;
    let mut nanoseconds = 0.0;
    for thread in threads {
        let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += stat.split_whitespace().next().context("schedstat")?.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

fn resident_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    let kib: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
    Ok(kib / 1024.0)
}

/// Upper bounds with how many are at most that.
fn buckets(histogram: &prometheus::Histogram) -> Vec<(f64, u64)> {
    use prometheus::core::Metric;
    let metric = histogram.metric();
    let buckets = metric.get_histogram().get_bucket().iter();
    buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect()
}

/// The upper bound of the bucket that a quantile of what came between is in.
fn quantile(before: &[(f64, u64)], after: &[(f64, u64)], share: f64) -> f64 {
    let grown: Vec<_> = before.iter().zip(after).map(|(b, a)| (a.0, a.1 - b.1)).collect();
    let all = grown.last().map_or(0, |last| last.1);
    let found = grown.iter().find(|(_, count)| *count as f64 >= all as f64 * share);
    found.map_or(f64::INFINITY, |(bound, _)| *bound)
}

/// Prints a figure.
fn say(key: &str, value: f64) {
    println!("{key} {value:.3}");
}
