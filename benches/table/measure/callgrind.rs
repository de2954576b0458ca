//! User instructions a request, counted by callgrind, which no neighbour on the machine disturbs.
//! The slope between a small and a large number of requests leaves start and connecting out.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::h2load;
use crate::process::{Server, free_address};
use crate::proxies::{Proxy, Upstreams};
use crate::report::Row;

const BAR: f64 = 1.08;
const STRATEGY_BAR: f64 = 1_500.0;
const PICKS: [u64; 2] = [20_000, 220_000];

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut a_request = [0.0; 4];
    for (slot, proxy) in a_request.iter_mut().zip(Proxy::ALL) {
        let command = |directory: &Path, listen, upstreams: &Upstreams| {
            proxy.command(&bench.binaries, directory, listen, upstreams)
        };
        *slot = instructions_a_request(bench, proxy.name(), command)?;
        eprintln!("  {}: {slot:.0}", proxy.name());
    }
    let [proconsul, bare, nginx, haproxy] = a_request;
    let wasm = instructions_a_pick(bench, "wasm")?;
    let native = instructions_a_pick(bench, "native")?;
    let ratio = proconsul / bare;
    Ok(vec![
        Row::judged(
            "user instructions a request, Proconsul with a WASM strategy / bare pingora",
            format!("{ratio:.3} × ({proconsul:.0} / {bare:.0})"),
            format!("≤ {BAR:.2} ×"),
            ratio <= BAR,
        ),
        Row::judged(
            "user instructions of a round-robin pick, all that the WASM strategy adds",
            format!("{wasm:.0} (native {native:.0}; a Lua balancer adds 3700 to nginx)"),
            format!("≤ {STRATEGY_BAR:.0}"),
            wasm <= STRATEGY_BAR,
        ),
        Row::information(
            "user instructions a request, nginx / HAProxy",
            format!("{nginx:.0} / {haproxy:.0}"),
        ),
    ])
}

/// Of a proxy that `command` starts at an address, with what it writes in a directory.
pub fn instructions_a_request(
    bench: &Bench,
    name: &str,
    command: impl Fn(&Path, SocketAddr, &Upstreams) -> Result<Command>,
) -> Result<f64> {
    let counts = if bench.quick { [500, 2_500] } else { [2_000, 12_000] };
    slope(counts, |requests| {
        let directory = tempfile::tempdir()?;
        let upstreams = Upstreams::start(directory.path())?;
        let listen = free_address()?;
        let command = command(directory.path(), listen, &upstreams)?;
        let out = directory.path().join("callgrind.out");
        let counted = under_callgrind(&command, &out);
        let server = Server::start(name, counted, listen, directory.path())?;
        h2load::requests(listen, requests)?;
        server.stop()?;
        instructions(&out)
    })
}

fn instructions_a_pick(bench: &Bench, side: &str) -> Result<f64> {
    slope(PICKS, |picks| {
        let directory = tempfile::tempdir()?;
        let mut command = Command::new(&bench.binaries.pick);
        command.args(["--count", &picks.to_string(), "round-robin", side]);
        let out = directory.path().join("callgrind.out");
        let output = under_callgrind(&command, &out).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        instructions(&out)
    })
}

/// How much one more costs.
fn slope(counts: [u64; 2], cost: impl Fn(u64) -> Result<u64>) -> Result<f64> {
    let [few, many] = counts;
    let (cost_of_few, cost_of_many) = (cost(few)?, cost(many)?);
    ensure!(cost_of_many > cost_of_few, "{many} cost no more instructions than {few}");
    Ok((cost_of_many - cost_of_few) as f64 / (many - few) as f64)
}

fn under_callgrind(command: &Command, out: &Path) -> Command {
    let mut counted = Command::new("valgrind");
    counted.args(["--tool=callgrind", "--fair-sched=yes", "--quiet"]);
    counted.arg(format!("--callgrind-out-file={}", out.display()));
    counted.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => counted.env(name, value),
            None => counted.env_remove(name),
        };
    }
    counted
}

fn instructions(out: &Path) -> Result<u64> {
    let counts = fs::read_to_string(out).context("callgrind wrote nothing")?;
    let total = counts
        .lines()
        .find_map(|line| line.strip_prefix("summary:").or_else(|| line.strip_prefix("totals:")));
    Ok(total.context("callgrind's file has no total")?.trim().parse()?)
}
