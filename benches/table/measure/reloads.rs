//! Reloads under load: each changes the strategy of one service, the plugin file of another, and
//! the endpoints of both; every second one is asked for, the others are noticed. No request may
//! fail, and memory may not grow with their number.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use super::Bench;
use crate::client::Client;
use crate::plugin_file;
use crate::pressure::Pressure;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::report::Row;
use crate::stats::median;

const MEMORY_BAR: f64 = 1.10;
const OBEYS_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Memory at a moment is the median of as many readings, one after each reload.
const READINGS: usize = 10;

const BUILT_IN: [&str; 6] =
    ["round-robin", "least-connections", "maglev", "random", "consistent-hash", "response-time"];
const IN_FILE: [&str; 3] = ["round-robin", "weighted-round-robin", "ip-hash"];

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let reloads = bench.rounds(1000, 40);
    let early = if bench.quick { 20 } else { 100 };
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let (listen, admin) = (free_address()?, free_address()?);
    let config = directory.path().join("proconsul.toml");
    let head = proconsul_head(directory.path(), listen, admin);
    let save = |number| {
        let plugin = IN_FILE[number as usize % IN_FILE.len()];
        plugin_file::save(&directory.path().join("plugin.wasm"), plugin, number)?;
        let text = format!("{head}{}", services(number, &upstreams));
        plugin_file::replace(&config, text.as_bytes())
    };
    save(0)?;
    let command = proconsul(&bench.binaries, &config);
    let server = Server::start("proconsul", command, listen, directory.path())?;

    let pressure = Pressure::start(listen, &["/file", "/built-in"]);
    let (mut traffic, mut control) = (Client::new(listen), Client::new(admin));
    let mut resident = Vec::new();
    for number in 1..=reloads {
        save(number)?;
        if number % 2 == 0 {
            let answer = control.send("POST", "/-/reload")?;
            ensure!(answer.status == 200, "reload {number} refused: {}", answer.body);
        }
        wait_until_obeyed(&mut traffic, number)?;
        resident.push(server.resident_bytes()? as f64);
        if number % 50 == 0 {
            eprintln!("  {number}: {:.1} MB", resident[resident.len() - 1] / 1e6);
        }
    }
    let tally = pressure.stop()?;
    let refused = refusals(&mut control)?;
    ensure!(refused == 0, "{refused} reloads were refused: {}", log_of(directory.path()));

    let around = |end: usize| median(resident[end - READINGS..end].iter().copied());
    let (first, last) = (around(early), around(resident.len()));
    Ok(vec![
        Row::judged(
            format!("failed requests during {reloads} reloads"),
            tally.describe(),
            "0".to_owned(),
            tally.failed == 0,
        ),
        Row::judged(
            format!("resident memory after {reloads} reloads / after {early}"),
            format!("{:.2} × ({:.1} / {:.1} MB)", last / first, last / 1e6, first / 1e6),
            format!("≤ {MEMORY_BAR:.2} ×"),
            last / first <= MEMORY_BAR,
        ),
    ])
}

/// Both services answer with the number of the configuration that they obey.
fn services(number: u32, upstreams: &Upstreams) -> String {
    let addresses: Vec<_> = upstreams.addresses().collect();
    // One to four endpoints, of other weights and names each time.
    let endpoints: Vec<String> = (0..=number % 4)
        .map(|index| {
            let address = addresses[index as usize % addresses.len()];
            let weight = 1 + (number + index) % 7;
            format!("{{ id = \"e{number}-{index}\", address = \"{address}\", weight = {weight} }}")
        })
        .collect();
    let endpoints = endpoints.join(", ");
    let service = |name: &str, strategy: &str| {
        format!(
            "[services.{name}]\nstrategy = \"{strategy}\"\nendpoints = [{endpoints}]\n\
             response_headers = {{ set = {{ X-Number = \"{number}\" }} }}\n\
             [[routes]]\nservice = \"{name}\"\npath = \"/{name}\"\n"
        )
    };
    format!(
        "[strategies.mine]\nplugin = \"plugin.wasm\"\n{}{}",
        service("file", "mine"),
        service("built-in", BUILT_IN[number as usize % BUILT_IN.len()])
    )
}

fn wait_until_obeyed(traffic: &mut Client, number: u32) -> Result<()> {
    let begun = Instant::now();
    loop {
        let answer = traffic.get("/file")?;
        if answer.header("x-number") == Some(&number.to_string()) {
            return Ok(());
        }
        if begun.elapsed() > OBEYS_WITHIN {
            bail!("configuration {number} is not obeyed");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn refusals(control: &mut Client) -> Result<u64> {
    let metrics = control.get("/metrics")?.body;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("proconsul_config_reloads_total{result=\"refused\"} "));
    Ok(line.map_or(Ok(0), str::parse)?)
}

fn log_of(directory: &Path) -> String {
    let log = fs::read_to_string(directory.join("proconsul.log")).unwrap_or_default();
    log.lines().find(|line| line.contains("refused")).unwrap_or("see its log").to_owned()
}
