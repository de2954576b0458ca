//! Changes, heart-beats and watchers in a second.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use proconsul::model::{CheckName, HealthStatus, ReportedLoad, Verdict};
use proconsul::registry::{Observed, Registry};
use tokio::task::JoinSet;

use super::say;
use super::subject::{Size, id, key, open, record, registration};

/// Callers that register at the same time, each again as soon as it was answered.
const CALLERS: usize = 64;

/// How many durable registrations a new registry takes.
pub async fn registrations(file: &Path, size: &Size) -> Result<()> {
    let registry = open(file).await?;
    let each = size.registrations / CALLERS;
    let begun = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let registry = registry.clone();
        callers.spawn(async move {
            let mut slowest = Duration::ZERO;
            for number in 0..each {
                let begun = Instant::now();
                let record = record(caller * each / 10 + number / 10, caller * 10 + number % 10);
                registry.apply(registration(record)).await?;
                slowest = slowest.max(begun.elapsed());
            }
            anyhow::Ok(slowest)
        });
    }
    let slowest = callers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    say("registrations_per_second", (each * CALLERS) as f64 / begun.elapsed().as_secs_f64());
    let slowest = slowest.into_iter().max().unwrap_or_default();
    say("slowest_registration_ms", slowest.as_secs_f64() * 1e3);
    registry.stop();
    Ok(())
}

/// The rest, with the whole size already there.
pub async fn of_a_filled_registry(file: &Path, size: &Size) -> Result<()> {
    let registry = open(file).await?;
    heartbeats(&registry, size)?;
    register_to_seen(&registry, size).await?;
    flip_to_seen(&registry, size).await?;
    watchers(&registry, size).await?;
    registry.stop();
    Ok(())
}

fn heartbeats(registry: &Registry, size: &Size) -> Result<()> {
    let names: Vec<_> = (0..size.services)
        .flat_map(|service| (0..size.instances_each).map(move |i| (key(service), id(service, i))))
        .collect();
    let load = ReportedLoad { cpu: Some(0.5), ..Default::default() };
    let begun = Instant::now();
    for (service, instance) in names.iter().cycle().take(size.heartbeats) {
        registry.heartbeat(service, instance, &load)?;
    }
    say("heartbeats_per_second", size.heartbeats as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

/// From the request to register until whoever follows the registry sees it.
async fn register_to_seen(registry: &Registry, size: &Size) -> Result<()> {
    let mut follower = registry.follow();
    let mut times = Vec::with_capacity(size.changes);
    let mut commits = Vec::with_capacity(size.changes);
    for number in 0..size.changes {
        let service = number * 7919 % size.services; // a prime: all over the registry
        let begun = Instant::now();
        let record = record(service, size.instances_each + number);
        let apply = registry.apply(registration(record));
        let seen = async {
            while !follower.next().await.contains(&key(service)) {}
            begun.elapsed()
        };
        let (applied, seen) = tokio::join!(apply, seen);
        applied?;
        times.push(seen);
        commits.push(begun.elapsed());
    }
    quantiles("register_to_published", times)?;
    quantiles("register_to_answer", commits)
}

/// The same for a health check's flip, which waits for no disk.
async fn flip_to_seen(registry: &Registry, size: &Size) -> Result<()> {
    let mut follower = registry.follow();
    let mut times = Vec::with_capacity(size.changes);
    let check = CheckName::new("http")?;
    for number in 0..size.changes {
        let service = number * 7919 % size.services;
        let begun = Instant::now();
        let verdict = Some(Verdict::new(HealthStatus::Critical, format!("status 503, {number}")));
        let (service_key, instance) = (key(service), id(service, 0));
        let observed = Observed { service: service_key, instance, check: check.clone(), verdict };
        registry.observe(vec![observed]).await;
        while !follower.next().await.contains(&key(service)) {}
        times.push(begun.elapsed());
    }
    quantiles("flip_to_published", times)
}

/// How long it takes until each of many watchers of one service was told of one change.
async fn watchers(registry: &Registry, size: &Size) -> Result<()> {
    let service = key(0);
    let index = registry.snapshot().index_of(&service);
    let mut watchers = JoinSet::new();
    let ready = std::sync::Arc::new(tokio::sync::Barrier::new(size.watchers + 1));
    for _ in 0..size.watchers {
        let (registry, service, ready) = (registry.clone(), service.clone(), ready.clone());
        watchers.spawn(async move {
            ready.wait().await;
            registry.changed(&service, index).await;
            Instant::now()
        });
    }
    ready.wait().await;
    tokio::task::yield_now().await;
    let record = record(0, 999);
    let begun = Instant::now();
    registry.apply(registration(record)).await?;
    let told = watchers.join_all().await.into_iter().max().context("there are watchers")?;
    let last = told.saturating_duration_since(begun);
    say("watchers", size.watchers as f64);
    say("watchers_all_told_ms", last.as_secs_f64() * 1e3);
    Ok(())
}

fn quantiles(what: &str, mut times: Vec<Duration>) -> Result<()> {
    times.sort();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).or(times.last());
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let time = at(share).context("there are samples")?;
        say(&format!("{what}_{name}_ms"), time.as_secs_f64() * 1e3);
    }
    Ok(())
}
