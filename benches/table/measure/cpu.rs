//! Processor time a request: user and system time of the proxy's process over a burst of requests,
//! all proxies in turn in front of the same servers.

use anyhow::Result;

use super::Bench;
use crate::h2load;
use crate::proxies::{Proxy, Upstreams};
use crate::report::Row;
use crate::stats::{Spread, median};

const BAR: f64 = 1.10;
const WARM_UP_REQUESTS: u64 = 2_000;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let mut servers = Vec::new();
    for proxy in Proxy::ALL {
        let server = proxy.start(&bench.binaries, directory.path(), &upstreams)?;
        h2load::requests(server.address, WARM_UP_REQUESTS)?;
        servers.push(server);
    }

    // The clock ticks every 10 ms: a burst takes a second or so.
    let burst = u64::from(bench.rounds(40_000, 10_000));
    let mut rounds: Vec<[f64; 4]> = Vec::new();
    for round in 0..bench.rounds(11, 3) as usize {
        let mut times_us = [0.0; 4];
        for turn in 0..servers.len() {
            let which = (round + turn) % servers.len(); // whoever is first, is so once in four
            let before = servers[which].cpu_time()?;
            h2load::requests(servers[which].address, burst)?;
            let used = servers[which].cpu_time()? - before;
            times_us[which] = used.as_secs_f64() * 1e6 / burst as f64;
        }
        let [proconsul, bare, nginx, haproxy] = times_us;
        eprintln!("  {proconsul:.1} / {bare:.1} / {nginx:.1} / {haproxy:.1} µs");
        rounds.push(times_us);
    }

    let [proconsul, bare, nginx, haproxy] =
        std::array::from_fn(|which| median(rounds.iter().map(|times_us| times_us[which])));
    let ratio = Spread::of(rounds.iter().map(|[proconsul, bare, ..]| proconsul / bare));
    let Spread { low_quartile, median, high_quartile } = ratio;
    Ok(vec![
        Row::judged(
            "CPU a request, Proconsul with a WASM strategy / bare pingora",
            format!(
                "{median:.2} × (quartiles {low_quartile:.2} to {high_quartile:.2}; \
                 {proconsul:.1} / {bare:.1} µs)"
            ),
            format!("≤ {BAR:.2} ×"),
            median <= BAR,
        ),
        Row::information("CPU a request, nginx / HAProxy", format!("{nginx:.1} / {haproxy:.1} µs")),
    ])
}
