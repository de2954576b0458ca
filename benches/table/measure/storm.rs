//! Every instance fails at once: who is told how often, what it costs in memory, and whether requests to
//! another service notice.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::h2load;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::receiver::Receiver;
use crate::report::Row;
use crate::stats::{median, quantile};

const LATENCY_BAR: f64 = 1.1;
const MEMORY_BAR_MB: f64 = 64.0;
const SERVICES: u32 = 10;
const PER_SECOND: u32 = 1_600;
const BURST: Duration = Duration::from_secs(10);
const TOLD_WITHIN: Duration = Duration::from_secs(90);

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let instances = bench.rounds(5_000, 200);
    let (mut ratios, mut notifications, mut grown) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds(3, 1) {
        let storm = storm(bench, instances)?;
        eprintln!(
            "  {} notifications, p99 {:.0} / {:.0} µs, {:.0} MB more",
            storm.notifications, storm.p99_us.1, storm.p99_us.0, storm.grown_mb
        );
        ratios.push(storm.p99_us.1 / storm.p99_us.0);
        notifications.push(storm.notifications);
        grown.push(storm.grown_mb);
    }
    let (ratio, grown) = (median(ratios), median(grown));
    let most = notifications.iter().copied().max().unwrap_or(0);
    Ok(vec![
        Row::judged(
            format!("{instances} instances of {SERVICES} services fail at once: notifications"),
            format!("{most}, each of all instances of a service"),
            format!("{SERVICES}"),
            notifications.iter().all(|count| *count == SERVICES),
        ),
        Row::judged(
            "the same: latency of requests to another service, p99, in the storm / before",
            format!("{ratio:.2} ×"),
            format!("≤ {LATENCY_BAR} ×"),
            ratio <= LATENCY_BAR,
        ),
        Row::judged(
            "the same: resident memory that it takes, at its height",
            format!("{grown:.0} MB"),
            format!("≤ {MEMORY_BAR_MB:.0} MB"),
            grown <= MEMORY_BAR_MB,
        ),
    ])
}

struct Storm {
    notifications: u32,
    /// Before, and while everything fails.
    p99_us: (f64, f64),
    grown_mb: f64,
}

fn storm(bench: &Bench, instances: u32) -> Result<Storm> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let doomed = Upstreams::start(&subdirectory(directory.path(), "doomed")?)?;
    let receiver = Receiver::start()?;
    let listen = free_address()?;
    let config = directory.path().join("proconsul.toml");
    fs::write(
        &config,
        config_text(directory.path(), listen, &upstreams, &doomed, &receiver, instances)?,
    )?;
    let command = proconsul(&bench.binaries, &config);
    let server = Server::start("proconsul", command, listen, directory.path())?;
    // Until each instance was checked, and the process has its memory.
    std::thread::sleep(Duration::from_secs(12));
    let p99 = || -> Result<f64> {
        Ok(quantile(&h2load::at_rate(listen, PER_SECOND, BURST, directory.path())?, 0.99))
    };
    let before_us = p99()?;
    let at_rest = server.resident_bytes()?;
    server.forget_peak()?;
    drop(doomed);
    let storm_us = p99()?;
    let mut told = 0;
    let mut alerts = 0;
    let begun = Instant::now();
    while alerts < u64::from(instances) && begun.elapsed() < TOLD_WITHIN {
        let notification = receiver.next(TOLD_WITHIN)?.body;
        ensure!(notification["status"] == "firing", "{notification}");
        let listed = notification["alerts"].as_array().context("no alerts")?.len() as u64;
        alerts += listed + notification["truncatedAlerts"].as_u64().unwrap_or(0);
        told += 1;
    }
    // Nobody is told of anything more.
    while receiver.next(Duration::from_secs(5)).is_ok() {
        told += 1;
    }
    let grown_mb = server.peak_bytes()?.saturating_sub(at_rest) as f64 / 1e6;
    Ok(Storm { notifications: told, p99_us: (before_us, storm_us), grown_mb })
}

fn subdirectory(directory: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = directory.join(name);
    fs::create_dir(&path)?;
    Ok(path)
}

/// A service that is asked, and others whose instances are all the same two servers.
fn config_text(
    directory: &Path,
    listen: SocketAddr,
    upstreams: &Upstreams,
    doomed: &Upstreams,
    receiver: &Receiver,
    instances: u32,
) -> Result<String> {
    let mut text = proconsul_head(directory, listen, free_address()?);
    text += &receiver.tables("evaluation_interval = \"1s\"\ngroup_wait = \"10s\"");
    text += "[alerts.rules.instance-down]\nmetric = \"proconsul_instance_up\"\n\
             by = [\"service\", \"instance\"]\nop = \"<\"\nthreshold = 1\n\
             where = { service = \"doomed-*\" }\n\
             [checks.c]\ninterval = \"2s\"\ninterval_down = \"30s\"\nhttp = { path = \"/\" }\n";
    writeln!(text, "[metrics]\nmax_instances = {}", instances + 10)?;
    writeln!(
        text,
        "[services.web]\nendpoints = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n\
         [[routes]]\nservice = \"web\"",
        upstreams.a.address, upstreams.b.address
    )?;
    for service in 0..SERVICES {
        writeln!(text, "[services.doomed-{service}]\nchecks = [\"c\"]\nendpoints = [")?;
        for instance in 0..instances / SERVICES {
            writeln!(text, "{{ id = \"i{instance}\", address = \"{}\" }},", doomed.a.address)?;
        }
        writeln!(text, "]")?;
    }
    Ok(text)
}
