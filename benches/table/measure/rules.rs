//! Many alert rules over many series: how long an evaluation takes, and how long it takes from something being
//! wrong until somebody is told.

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
use crate::receiver::Receiver;
use crate::report::Row;
use crate::stats::quantile;

const EVALUATION_BAR_MS: f64 = 50.0;
/// Of the evaluation interval.
const DELAY_BAR: f64 = 1.5;
const INTERVAL: Duration = Duration::from_secs(2);
const RULES: u32 = 200;
/// Series of an instance that nobody has asked for anything.
const SERIES_EACH: u32 = 13;
const TOLD_WITHIN: Duration = Duration::from_secs(30);

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let series = bench.rounds(10_000, 1_000);
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let receiver = Receiver::start()?;
    let (listen, admin) = (free_address()?, free_address()?);
    let mut text = proconsul_head(directory.path(), listen, admin);
    let alerts = format!(
        "evaluation_interval = \"{}s\"\ngroup_wait = \"0s\"\ngroup_interval = \"1s\"\n\
         ready_made = [\"reload-refused\"]",
        INTERVAL.as_secs()
    );
    text += &receiver.tables(&alerts);
    for rule in 0..RULES {
        // Each looks at every instance, and none ever fires.
        writeln!(
            text,
            "[alerts.rules.r{rule}]\nmetric = \"proconsul_instance_response_seconds_sum\"\n\
             function = \"rate\"\nwindow = \"1m\"\nby = [\"service\", \"instance\"]\n\
             op = \">\"\nthreshold = {}",
            1_000_000 + rule
        )?;
    }
    let instances = series / SERIES_EACH;
    writeln!(text, "[metrics]\nmax_instances = {instances}\n[services.web]\nendpoints = [")?;
    for instance in 0..instances {
        writeln!(text, "{{ id = \"i{instance}\", address = \"{}\" }},", upstreams.a.address)?;
    }
    writeln!(text, "]")?;
    let config = directory.path().join("proconsul.toml");
    fs::write(&config, &text)?;
    let command = proconsul(&bench.binaries, &config);
    let _server = Server::start("proconsul", command, listen, directory.path())?;

    let mut delays = Vec::new();
    for trial in 0..bench.rounds(20, 3) {
        // At any moment between two evaluations.
        thread::sleep(INTERVAL.mul_f64(f64::from(trial) / 20.0));
        fs::write(&config, format!("{text}\nnonsense = 1\n"))?;
        let begun = Instant::now();
        reload(admin, 422)?;
        let told = receiver.next(TOLD_WITHIN)?;
        ensure!(told.body["status"] == "firing", "{}", told.body);
        delays.push((told.at - begun).as_secs_f64() / INTERVAL.as_secs_f64());
        fs::write(&config, &text)?;
        reload(admin, 200)?;
        let over = receiver.next(TOLD_WITHIN)?;
        ensure!(over.body["status"] == "resolved", "{}", over.body);
    }
    delays.sort_by(f64::total_cmp);
    let (median, longest) = (quantile(&delays, 0.5), quantile(&delays, 1.0));
    let Evaluations { count, series, mean_ms } = Evaluations::of(admin)?;
    Ok(vec![
        Row::judged(
            format!("an evaluation of {RULES} rules over {series} series"),
            format!("{mean_ms:.1} ms on average of {count}, taking the samples included"),
            format!("≤ {EVALUATION_BAR_MS:.0} ms"),
            mean_ms <= EVALUATION_BAR_MS,
        ),
        Row::judged(
            "from a refused reload to a webhook about it, in evaluation intervals",
            format!("{median:.2} at the median of {} (longest {longest:.2})", delays.len()),
            format!("≤ {DELAY_BAR}"),
            longest <= DELAY_BAR,
        ),
    ])
}

fn reload(admin: SocketAddr, expected: u16) -> Result<()> {
    let answer = Client::new(admin).send("POST", "/-/reload")?;
    ensure!(answer.status == expected, "{} {}", answer.status, answer.body);
    Ok(())
}

/// What the proxy says of its evaluations.
struct Evaluations {
    count: f64,
    series: usize,
    mean_ms: f64,
}

impl Evaluations {
    fn of(admin: SocketAddr) -> Result<Self> {
        let text = Client::new(admin).get("/metrics")?.body;
        let value = |name: &str| -> Result<f64> {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.with_context(|| format!("no {name}"))?.trim().parse()?)
        };
        let count = value("proconsul_alert_evaluation_duration_seconds_count")?;
        let sum = value("proconsul_alert_evaluation_duration_seconds_sum")?;
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        Ok(Self { count, series, mean_ms: 1e3 * sum / count })
    }
}
