//! The registry over its API: how many registrations and heart-beats a second, how soon what registered
//! gets requests, what it weighs, and how soon it is back.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::client::Client;
use crate::proxies::Upstreams;
use crate::registry::{Node, register_path, registration};
use crate::report::Row;
use crate::stats::quantile;

const REGISTRATIONS_BAR: f64 = 2_000.0;
const HEARTBEATS_BAR: f64 = 50_000.0;
const ROUTABLE_BAR_MS: f64 = 20.0;
const MEMORY_BAR_MB: f64 = 400.0;
const READY_BAR_SECONDS: f64 = 5.0;

const INSTANCES_PER_SERVICE: u32 = 10;
/// Connections over which registrations come.
const WRITERS: u32 = 64;
/// Instances that one message of heart-beats names.
const BEATS_PER_MESSAGE: usize = 100;
const BEATING: Duration = Duration::from_secs(3);
/// Between two looks whether what registered gets requests.
const LOOK_EVERY: Duration = Duration::from_micros(300);
const ROUTABLE_WITHIN: Duration = Duration::from_secs(10);
/// Until what was needed for registering has been given back.
const REST: Duration = Duration::from_secs(3);

/// Routes to a service that nobody but this measurement registers for.
const ROUTED: &str = "[services.routed]\n[[routes]]\nservice = \"routed\"\n";

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let services = bench.rounds(10_000, 200);
    let total = services * INSTANCES_PER_SERVICE;
    let node = Node::start(bench, directory.path(), ROUTED)?;
    let registrations = registrations_per_second(&node, services)?;
    let (beats, single_beats) = heartbeats_per_second(&node, services)?;
    let routable_ms = routable_ms(bench, &node, directory.path())?;
    thread::sleep(REST);
    let megabytes = node.server.resident_bytes()? as f64 / 1e6;
    let ready_seconds = restart_seconds(bench, node, directory.path())?;
    let judged = |what: &str, measured, bar, holds| Row::judged(what, measured, bar, holds);
    Ok(vec![
        judged(
            "durable registrations a second, over the API",
            format!("{registrations:.0} ({total} in all, {WRITERS} connections)"),
            format!("≥ {REGISTRATIONS_BAR:.0}"),
            registrations >= REGISTRATIONS_BAR,
        ),
        judged(
            "heart-beats a second, over the API",
            format!("{beats:.0} ({BEATS_PER_MESSAGE} a message; {single_beats:.0} one by one)"),
            format!("≥ {HEARTBEATS_BAR:.0}"),
            beats >= HEARTBEATS_BAR,
        ),
        judged(
            &format!("registered → gets requests, beside {total} instances, p99"),
            format!(
                "{:.1} ms (median {:.1} ms)",
                quantile(&routable_ms, 0.99),
                quantile(&routable_ms, 0.5)
            ),
            format!("≤ {ROUTABLE_BAR_MS:.0} ms"),
            quantile(&routable_ms, 0.99) <= ROUTABLE_BAR_MS,
        ),
        judged(
            &format!("resident memory with {total} instances"),
            format!("{megabytes:.0} MB"),
            format!("≤ {MEMORY_BAR_MB:.0} MB"),
            megabytes <= MEMORY_BAR_MB,
        ),
        judged(
            &format!("from start to ready with {total} instances"),
            format!("{ready_seconds:.1} s"),
            format!("≤ {READY_BAR_SECONDS:.0} s"),
            ready_seconds <= READY_BAR_SECONDS,
        ),
    ])
}

fn registrations_per_second(node: &Node, services: u32) -> Result<f64> {
    let begun = Instant::now();
    in_parallel(WRITERS, |writer| {
        let mut client = Client::new(node.admin);
        for service in (writer..services).step_by(WRITERS as usize) {
            for instance in 0..INSTANCES_PER_SERVICE {
                let path = register_path(&format!("s{service}"), &format!("i{instance}"));
                let answer = client.send_json("PUT", &path, &registration(9000))?;
                ensure!(answer.status < 300, "{} {}", answer.status, answer.body);
            }
        }
        Ok(())
    })?;
    Ok(f64::from(services * INSTANCES_PER_SERVICE) / begun.elapsed().as_secs_f64())
}

/// Many a message, and one by one.
fn heartbeats_per_second(node: &Node, services: u32) -> Result<(f64, f64)> {
    let ids = |from: u32| {
        let all = (from..services).chain(0..from);
        all.flat_map(|service| (0..INSTANCES_PER_SERVICE).map(move |i| (service, i)))
    };
    const BEATERS: u32 = 4;
    let batches = in_parallel(BEATERS, |beater| {
        let mut client = Client::new(node.admin);
        let body: Vec<String> = ids(beater * services / BEATERS)
            .take(BEATS_PER_MESSAGE)
            .map(|(s, i)| format!(r#"{{"service":"s{s}","instance":"i{i}","load":{{"cpu":0.5}}}}"#))
            .collect();
        let body = format!(r#"{{"heartbeats":[{}]}}"#, body.join(","));
        let (begun, mut messages) = (Instant::now(), 0);
        while begun.elapsed() < BEATING {
            let answer = client.send_json("POST", "/v1/heartbeats", &body)?;
            ensure!(answer.status < 300, "{} {}", answer.status, answer.body);
            messages += 1;
        }
        Ok(messages * BEATS_PER_MESSAGE)
    })?;
    let single = in_parallel(BEATERS, |beater| {
        let mut client = Client::new(node.admin);
        let (begun, mut beats) = (Instant::now(), 0);
        for (service, instance) in ids(beater * services / BEATERS).cycle() {
            if begun.elapsed() >= BEATING {
                break;
            }
            let path = register_path(&format!("s{service}"), &format!("i{instance}"));
            let answer = client.send_json("PUT", &format!("{path}/heartbeat"), "{}")?;
            ensure!(answer.status < 300, "{} {}", answer.status, answer.body);
            beats += 1;
        }
        Ok(beats)
    })?;
    let a_second = |counts: Vec<usize>| counts.iter().sum::<usize>() as f64 / BEATING.as_secs_f64();
    Ok((a_second(batches), a_second(single)))
}

/// Milliseconds from the registration's sending to the first answer of what registered, sorted.
fn routable_ms(bench: &Bench, node: &Node, directory: &Path) -> Result<Vec<f64>> {
    let upstreams = Upstreams::start(directory)?;
    let mut took_ms = Vec::new();
    for round in 0..bench.rounds(300, 20) {
        let (mut admin, mut traffic) = (Client::new(node.admin), Client::new(node.listen));
        ensure!(traffic.send("GET", "/")?.status == 503, "somebody is there already");
        let path = register_path("routed", &format!("r{round}"));
        let begun = Instant::now();
        let body = registration(upstreams.a.address.port());
        let answer = admin.send_json("PUT", &path, &body)?;
        ensure!(answer.status < 300, "{} {}", answer.status, answer.body);
        while traffic.send("GET", "/")?.status != 200 {
            ensure!(begun.elapsed() < ROUTABLE_WITHIN, "registered, but gets no requests");
            thread::sleep(LOOK_EVERY);
        }
        took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(admin.send("DELETE", &path)?.status < 300, "cannot be deregistered");
        let begun = Instant::now();
        while traffic.send("GET", "/")?.status != 503 {
            ensure!(begun.elapsed() < ROUTABLE_WITHIN, "deregistered, but gets requests");
            thread::sleep(LOOK_EVERY);
        }
    }
    took_ms.sort_by(f64::total_cmp);
    Ok(took_ms)
}

fn restart_seconds(bench: &Bench, node: Node, directory: &Path) -> Result<f64> {
    node.kill()?;
    let begun = Instant::now();
    let node = Node::start(bench, directory, ROUTED)?;
    let mut client = Client::new(node.admin);
    while client.send("GET", "/-/ready")?.status != 200 {
        thread::sleep(LOOK_EVERY);
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// Runs `work` with 0, 1, 2 and so on, all at once.
fn in_parallel<T: Send>(workers: u32, work: impl Fn(u32) -> Result<T> + Sync) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        let joined = threads.into_iter().map(|t| t.join().ok().context("a worker panicked")?);
        joined.collect()
    })
}
