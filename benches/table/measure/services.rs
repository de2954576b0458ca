//! What a request costs beside many services: the same request with 1 and with 10 000 of them configured,
//! each with a route.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::Bench;
use crate::h2load;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::report::Row;
use crate::stats::Spread;

const BAR: f64 = 1.05;
const WARM_UP_REQUESTS: u64 = 2_000;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let many = bench.rounds(10_000, 500);
    let servers = [
        start(bench, directory.path(), &upstreams, 1)?,
        start(bench, directory.path(), &upstreams, many)?,
    ];
    for server in &servers {
        h2load::requests(server.address, WARM_UP_REQUESTS)?;
    }
    let burst = u64::from(bench.rounds(40_000, 10_000));
    let mut ratios = Vec::new();
    for round in 0..bench.rounds(11, 3) as usize {
        let mut times_us = [0.0; 2];
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let before = servers[which].cpu_time()?;
            h2load::requests(servers[which].address, burst)?;
            let used = servers[which].cpu_time()? - before;
            times_us[which] = used.as_secs_f64() * 1e6 / burst as f64;
        }
        eprintln!("  {:.1} / {:.1} µs", times_us[1], times_us[0]);
        ratios.push(times_us[1] / times_us[0]);
    }
    let Spread { low_quartile, median, high_quartile } = Spread::of(ratios);
    Ok(vec![Row::judged(
        format!("CPU a request with {many} services / with 1"),
        format!("{median:.2} × (quartiles {low_quartile:.2} to {high_quartile:.2})"),
        format!("≤ {BAR:.2} ×"),
        median <= BAR,
    )])
}

fn start(bench: &Bench, directory: &Path, upstreams: &Upstreams, services: u32) -> Result<Server> {
    let directory = directory.join(services.to_string());
    fs::create_dir(&directory)?;
    let (listen, admin) = (free_address()?, free_address()?);
    let mut text = proconsul_head(&directory, listen, admin);
    for number in 0..services {
        // The first is the one that is asked for.
        let path = if number == 0 { "/".to_owned() } else { format!("/{number}") };
        writeln!(
            text,
            "[services.s{number}]\nendpoints = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n\
             [[routes]]\nservice = \"s{number}\"\npath_prefix = \"{path}\"",
            upstreams.a.address, upstreams.b.address,
        )?;
    }
    let config = directory.join("proconsul.toml");
    fs::write(&config, text)?;
    let command = proconsul(&bench.binaries, &config);
    Server::start("proconsul", command, listen, &directory)
}
