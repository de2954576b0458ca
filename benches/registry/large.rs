//! A store of many instances: how long a process takes to have read it, and what it weighs then.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use proconsul::model::{Duty, UnixMillis};
use proconsul::store::{Sqlite, Store, StoredInstance, Write};

use super::say;
use super::subject::{Size, open, record};

/// Writes of one transaction while filling.
const BATCH: usize = 5_000;

/// Writes a store of the whole size.
pub async fn fill(file: &Path, size: &Size) -> Result<()> {
    let store = Sqlite::open(file, Duration::ZERO).await?;
    let moment = UnixMillis::of(std::time::SystemTime::now());
    let all = (0..size.services).flat_map(|service| {
        (0..size.instances_each).map(move |instance| {
            Write::PutInstance(StoredInstance {
                record: record(service, instance),
                duty: Duty::Active,
                registered: moment,
                updated: moment,
            })
        })
    });
    let all: Vec<_> = all.collect();
    let begun = Instant::now();
    for batch in all.chunks(BATCH) {
        store.commit(batch).await?;
    }
    say("store_rows_per_second", all.len() as f64 / begun.elapsed().as_secs_f64());
    store.close().await;
    Ok(())
}

/// Measures in a process that did nothing before.
pub fn load_in_child(file: &Path) -> Result<()> {
    let program = std::env::current_exe()?;
    let status = Command::new(program).arg("--load").arg(file).status()?;
    ensure!(status.success(), "the process that loads the store: {status}");
    Ok(())
}

/// Opens a registry, and says how long that took and what the process weighs.
pub async fn load(file: &Path) -> Result<()> {
    say("resident_mb_before", resident_mb()?);
    let begun = Instant::now();
    let registry = open(file).await?;
    say("load_seconds", begun.elapsed().as_secs_f64());
    let snapshot = registry.snapshot();
    let instances: usize = snapshot.services.values().map(|view| view.instances.len()).sum();
    say("loaded_instances", instances as f64);
    say("resident_mb", resident_mb()?);
    Ok(())
}

fn resident_mb() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("VmRSS")?;
    Ok(kilobytes.trim().parse::<f64>()? / 1024.0)
}
