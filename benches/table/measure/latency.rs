//! Latency at a rate that all proxies carry with ease, in turns: information, there is no bar.

use std::time::Duration;

use anyhow::Result;

use super::Bench;
use crate::h2load;
use crate::proxies::{Proxy, Upstreams};
use crate::report::Row;
use crate::stats::{median, quantile};

const PER_SECOND: u32 = 3_200;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let burst = Duration::from_secs(u64::from(bench.rounds(4, 2)));
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let mut contenders = Vec::new();
    for proxy in Proxy::ALL {
        let server = proxy.start(&bench.binaries, directory.path(), &upstreams)?;
        contenders.push((proxy, server, Vec::new(), Vec::new()));
    }
    for _ in 0..bench.rounds(5, 1) {
        for (_, server, halves, most) in &mut contenders {
            let took_us = h2load::at_rate(server.address, PER_SECOND, burst, directory.path())?;
            halves.push(quantile(&took_us, 0.5));
            most.push(quantile(&took_us, 0.99));
        }
    }
    let measured: Vec<String> = contenders
        .into_iter()
        .map(|(proxy, _, halves, most)| {
            format!("{} {:.0} / {:.0} µs", proxy.name(), median(halves), median(most))
        })
        .collect();
    let what = format!("latency at {PER_SECOND} requests a second, p50 / p99");
    Ok(vec![Row::information(what, measured.join("; "))])
}
