//! What checking many instances costs: 10 000 HTTP checks, and 1 000 by a component, each every ten
//! seconds, over kept connections; and how late they begin.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::client::Client;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::report::Row;

const HTTP_BAR_PERCENT: f64 = 15.0;
const COMPONENT_BAR_PERCENT: f64 = 10.0;
const LATE_BAR_SECONDS: f64 = 1.0;
const PER_SERVICE: u32 = 100;
/// Until every instance was looked at once, and has its connection.
const WARM_UP: Duration = Duration::from_secs(22);

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let many = bench.rounds(10_000, 500);
    let http = "[checks.c]\ninterval = \"10s\"\nhttp = { path = \"/\" }\n";
    let http = cost(bench, many, http)?;
    let some = bench.rounds(1_000, 100);
    let component = "[checks.c]\ninterval = \"10s\"\nplugin = \"http-json\"\n\
                     config = { path = \"/json\", pointer = \"/ok\", passing = { equals = true } }\n";
    let component = cost(bench, some, component)?;
    Ok(vec![
        Row::judged(
            format!("{many} HTTP checks every 10 s, of one core"),
            format!("{:.1} % ({:.0} µs a check)", http.percent, http.micros),
            format!("≤ {HTTP_BAR_PERCENT:.0} %"),
            http.percent <= HTTP_BAR_PERCENT,
        ),
        Row::judged(
            format!("{many} HTTP checks: lateness, p99"),
            format!("≤ {} s", http.late_seconds),
            format!("≤ {LATE_BAR_SECONDS:.0} s"),
            http.late_seconds <= LATE_BAR_SECONDS,
        ),
        Row::judged(
            format!("{some} checks by a component every 10 s, of one core"),
            format!("{:.1} % ({:.0} µs a check)", component.percent, component.micros),
            format!("≤ {COMPONENT_BAR_PERCENT:.0} %"),
            component.percent <= COMPONENT_BAR_PERCENT,
        ),
    ])
}

struct Cost {
    percent: f64,
    micros: f64,
    /// The bucket's upper edge, below which 99 of 100 lie.
    late_seconds: f64,
}

fn cost(bench: &Bench, instances: u32, check: &str) -> Result<Cost> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let (listen, admin) = (free_address()?, free_address()?);
    let mut text = proconsul_head(directory.path(), listen, admin) + check;
    let addresses: Vec<SocketAddr> = upstreams.addresses().collect();
    for service in 0..instances / PER_SERVICE {
        writeln!(text, "[services.s{service}]\nchecks = [\"c\"]\nendpoints = [")?;
        for endpoint in 0..PER_SERVICE {
            let address = addresses[endpoint as usize % addresses.len()];
            writeln!(text, "{{ id = \"e{endpoint}\", address = \"{address}\" }},")?;
        }
        writeln!(text, "]")?;
    }
    let config = directory.path().join("proconsul.toml");
    fs::write(&config, text)?;
    let command = proconsul(&bench.binaries, &config);
    let server = Server::start("proconsul", command, listen, directory.path())?;
    thread::sleep(WARM_UP);
    let window = Duration::from_secs(u64::from(bench.rounds(30, 10)));
    let (before, counted, begun) = (server.cpu_time()?, Counts::of(admin)?, Instant::now());
    thread::sleep(window);
    let (used, elapsed) = ((server.cpu_time()? - before).as_secs_f64(), begun.elapsed());
    let now = Counts::of(admin)?;
    let checks = now.passing - counted.passing;
    let expected = f64::from(instances) * elapsed.as_secs_f64() / 10.0;
    ensure!(checks > 0.8 * expected, "{checks} checks passed, {expected:.0} were expected");
    Ok(Cost {
        percent: 100.0 * used / elapsed.as_secs_f64(),
        micros: used * 1e6 / checks,
        late_seconds: now.late_p99(&counted)?,
    })
}

/// What the health loop counted so far.
struct Counts {
    passing: f64,
    /// Upper edges in seconds, with how many checks began no later.
    late: Vec<(f64, f64)>,
}

impl Counts {
    fn of(admin: SocketAddr) -> Result<Self> {
        let text = Client::new(admin).get("/metrics")?.body;
        let value = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse().ok());
        let passing = text
            .lines()
            .filter(|line| line.starts_with("proconsul_health_checks_total{"))
            .filter(|line| line.contains("result=\"passing\""))
            .filter_map(value)
            .sum();
        let buckets = text.lines().filter_map(|line| {
            line.strip_prefix("proconsul_health_check_lateness_seconds_bucket{le=\"")
        });
        let late = buckets.filter_map(|line| {
            let (edge, rest) = line.split_once('"')?;
            let edge = if edge == "+Inf" { f64::INFINITY } else { edge.parse().ok()? };
            Some((edge, value(rest)?))
        });
        Ok(Self { passing, late: late.collect() })
    }

    fn late_p99(&self, before: &Counts) -> Result<f64> {
        let all = self.late.last().context("no lateness was measured")?.1;
        let all = all - before.late.last().map_or(0.0, |(_, count)| *count);
        let within =
            |index: usize| self.late[index].1 - before.late.get(index).map_or(0.0, |b| b.1);
        let edge = (0..self.late.len()).find(|&index| within(index) >= 0.99 * all);
        Ok(edge.map_or(f64::INFINITY, |index| self.late[index].0))
    }
}
