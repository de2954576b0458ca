//! Load by h2load (nghttp2): many requests, or a rate of them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Connections at a time.
const CLIENTS: u32 = 64;
/// Connections at a time for a fixed rate. They send in step, and many would wait for each other.
const RATE_CLIENTS: u32 = 8;

/// Sends so many requests as fast as they are answered. An error unless all were answered well.
pub fn requests(target: SocketAddr, count: u64) -> Result<()> {
    let said = run(target, CLIENTS, &["-n", &count.to_string()])?;
    ensure!(said.contains(&format!(" {count} succeeded, 0 failed")), "not all succeeded: {said}");
    ensure!(said.contains(&format!("status codes: {count} 2xx")), "not all are 2xx: {said}");
    Ok(())
}

/// Sends requests at a fixed rate. Returns how long each took, in microseconds, sorted.
pub fn at_rate(
    target: SocketAddr,
    per_second: u32,
    duration: Duration,
    directory: &Path,
) -> Result<Vec<f64>> {
    let log = directory.join("h2load.tsv");
    let _ = fs::remove_file(&log); // of the last run: h2load appends
    let rate = (per_second / RATE_CLIENTS).to_string();
    let seconds = duration.as_secs().to_string();
    let log_file = format!("--log-file={}", log.display());
    run(target, RATE_CLIENTS, &["--rps", &rate, "-D", &seconds, &log_file])?;
    // Begin, status and duration of each request.
    let mut took_us = Vec::new();
    for line in fs::read_to_string(&log)?.lines() {
        let mut fields = line.split('\t').skip(1);
        let status = fields.next().context("a line of the log has no status")?;
        ensure!(status == "200", "answered with {status}");
        took_us.push(fields.next().context("a line of the log has no duration")?.parse()?);
    }
    took_us.sort_by(f64::total_cmp);
    Ok(took_us)
}

fn run(target: SocketAddr, clients: u32, arguments: &[&str]) -> Result<String> {
    let output = Command::new("h2load")
        .args(["--h1", "-t", "1", "-c", &clients.to_string()])
        .args(arguments)
        .arg(format!("http://{target}/"))
        .output()
        .context("h2load cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "h2load: {}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}
