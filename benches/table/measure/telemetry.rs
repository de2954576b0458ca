//! What it costs a request to be counted, and to be written to an access log: the same build with and without,
//! by instructions, which are steady, and by processor time, in turns.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Bench;
use super::callgrind::instructions_a_request;
use crate::h2load;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_config};
use crate::report::Row;
use crate::stats::Spread;

const METRICS_BAR: f64 = 1.03;
const LOG_BAR: f64 = 1.05;
const WARM_UP_REQUESTS: u64 = 2_000;

/// What a proxy does beside the work itself.
#[derive(Clone, Copy)]
enum Variant {
    Uncounted,
    Counted,
    Logged,
}

impl Variant {
    const ALL: [Variant; 3] = [Variant::Uncounted, Variant::Counted, Variant::Logged];

    fn name(self) -> &'static str {
        match self {
            Variant::Uncounted => "uncounted",
            Variant::Counted => "counted",
            Variant::Logged => "logged",
        }
    }

    fn tables(self, directory: &Path) -> String {
        match self {
            Variant::Uncounted => "[metrics]\nrequests = false\n".to_owned(),
            Variant::Counted => String::new(),
            Variant::Logged => {
                let file = directory.join("access.log");
                format!("[access_log]\ntarget = {{ file = \"{}\" }}\n", file.display())
            }
        }
    }

    /// The command that runs it at an address, with everything that it writes in a directory.
    fn command(
        self,
        bench: &Bench,
        directory: &Path,
        listen: SocketAddr,
        upstreams: &Upstreams,
    ) -> Result<Command> {
        let text = proconsul_config(directory, listen, upstreams)? + &self.tables(directory);
        let config = directory.join("proconsul.toml");
        fs::write(&config, text)?;
        Ok(proconsul(&bench.binaries, &config))
    }
}

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut instructions = [0.0; 3];
    for (slot, variant) in instructions.iter_mut().zip(Variant::ALL) {
        *slot = instructions_a_request(bench, variant.name(), |directory, listen, upstreams| {
            variant.command(bench, directory, listen, upstreams)
        })?;
        eprintln!("  {}: {slot:.0}", variant.name());
    }
    let times_us = times_us(bench)?;
    let row = |what: &str, with: usize, without: usize, bar: f64| {
        let ratio = instructions[with] / instructions[without];
        let time = Spread::of(times_us.iter().map(|times| times[with] / times[without]));
        let Spread { low_quartile, median, high_quartile } = time;
        Row::judged(
            format!("CPU a request, {what}"),
            format!(
                "{median:.3} × (quartiles {low_quartile:.2} to {high_quartile:.2}); instructions {ratio:.3} × \
                 ({:.0} / {:.0})",
                instructions[with], instructions[without]
            ),
            format!("≤ {bar:.2} ×"),
            median <= bar,
        )
    };
    Ok(vec![
        row("counted / not counted", 1, 0, METRICS_BAR),
        row("with an access log to a file / without", 2, 1, LOG_BAR),
    ])
}

/// Processor time a request of each variant, in rounds.
fn times_us(bench: &Bench) -> Result<Vec<[f64; 3]>> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let mut servers = Vec::new();
    for variant in Variant::ALL {
        let directory = directory.path().join(variant.name());
        fs::create_dir(&directory)?;
        let listen = free_address()?;
        let command = variant.command(bench, &directory, listen, &upstreams)?;
        servers.push(Server::start(variant.name(), command, listen, &directory)?);
        h2load::requests(listen, WARM_UP_REQUESTS)?;
    }
    let burst = u64::from(bench.rounds(40_000, 10_000));
    let mut rounds = Vec::new();
    for round in 0..bench.rounds(15, 3) as usize {
        let mut times_us = [0.0; 3];
        for turn in 0..servers.len() {
            let which = (round + turn) % servers.len();
            let before = servers[which].cpu_time()?;
            h2load::requests(servers[which].address, burst)?;
            let used = servers[which].cpu_time()? - before;
            times_us[which] = used.as_secs_f64() * 1e6 / burst as f64;
        }
        eprintln!("  {:.1} / {:.1} / {:.1} µs", times_us[0], times_us[1], times_us[2]);
        rounds.push(times_us);
    }
    Ok(rounds)
}
