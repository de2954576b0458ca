//! Resident memory at rest: with every strategy in use once, and what each further slot adds.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::Bench;
use crate::client::Client;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::report::Row;

const BAR_MB: f64 = 80.0;
const SLOT_BAR_KB: f64 = 300.0;
/// Services of each strategy when many slots are wanted.
const MANY: usize = 20;
/// Until what was needed for starting has been given back.
const REST: Duration = Duration::from_secs(3);

const STRATEGIES: [&str; 11] = [
    "round-robin",
    "random",
    "weighted-round-robin",
    "least-connections",
    "consistent-hash",
    "maglev",
    "ip-hash",
    "response-time",
    "least-load",
    "geographic",
    "weighted-random",
];

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let once = footprint(bench, &STRATEGIES, 1)?;
    let slot_kb = |strategies: &[&str], few: &Footprint| -> Result<f64> {
        let many = footprint(bench, strategies, MANY)?;
        Ok((many.resident_bytes - few.resident_bytes) / (many.slots - few.slots) / 1e3)
    };
    let average_kb = slot_kb(&STRATEGIES, &once)?;
    let mut each_kb = Vec::new();
    if !bench.quick {
        for strategy in STRATEGIES {
            let few = footprint(bench, &[strategy], 1)?;
            each_kb.push((strategy, slot_kb(&[strategy], &few)?));
        }
    }
    let most = each_kb.iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let most = most.map(|(name, kb)| format!("; most: {name}, {kb:.0} KB")).unwrap_or_default();
    let megabytes = once.resident_bytes / 1e6;
    Ok(vec![
        Row::judged(
            "resident memory at rest, every strategy in use once",
            format!("{megabytes:.1} MB"),
            format!("≤ {BAR_MB:.0} MB"),
            megabytes <= BAR_MB,
        ),
        Row::judged(
            "resident memory of each further slot, its service included",
            format!("{average_kb:.0} KB on average{most}"),
            format!("≤ {SLOT_BAR_KB:.0} KB"),
            average_kb <= SLOT_BAR_KB,
        ),
    ])
}

struct Footprint {
    resident_bytes: f64,
    slots: f64,
}

/// Starts a proxy with so many services of each strategy, sends each one request, and lets it rest.
fn footprint(bench: &Bench, strategies: &[&str], services: usize) -> Result<Footprint> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let (listen, admin) = (free_address()?, free_address()?);
    let mut text = proconsul_head(directory.path(), listen, admin);
    let mut paths = Vec::new();
    for strategy in strategies {
        for number in 0..services {
            text += &format!(
                "[services.{strategy}-{number}]\nstrategy = \"{strategy}\"\n\
                 endpoints = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n\
                 [[routes]]\nservice = \"{strategy}-{number}\"\npath = \"/{strategy}-{number}\"\n",
                upstreams.a.address, upstreams.b.address,
            );
            paths.push(format!("/{strategy}-{number}"));
        }
    }
    let config = directory.path().join("proconsul.toml");
    fs::write(&config, text)?;
    let command = proconsul(&bench.binaries, &config);
    let server = Server::start("proconsul", command, listen, directory.path())?;
    let mut client = Client::new(listen);
    for path in &paths {
        client.get(path)?;
    }
    std::thread::sleep(REST);
    let status: serde_json::Value =
        serde_json::from_str(&Client::new(admin).get("/-/status")?.body)?;
    let serving = status["services"].as_object().context("the status lists no services")?;
    let slots = serving.values().filter_map(|service| service["plugin"]["slots"].as_f64()).sum();
    Ok(Footprint { resident_bytes: server.resident_bytes()? as f64, slots })
}
