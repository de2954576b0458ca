//! A plugin that never returns, under load: one of the hostile plugins, as a sample. `tests/` has
//! all of them, each with the metric and the log line that it must leave.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Bench;
use crate::client::Client;
use crate::endless;
use crate::pressure::Pressure;
use crate::process::{Server, free_address};
use crate::proxies::{Upstreams, proconsul, proconsul_head};
use crate::report::Row;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let upstreams = Upstreams::start(directory.path())?;
    let (listen, admin) = (free_address()?, free_address()?);
    let text = format!(
        "{}[strategies.endless]\nplugin = \"endless.wasm\"\nprobe_after = \"100ms\"\n\
         probe_after_max = \"1s\"\n[services.web]\nstrategy = \"endless\"\n\
         endpoints = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n\
         [[routes]]\nservice = \"web\"\n",
        proconsul_head(directory.path(), listen, admin),
        upstreams.a.address,
        upstreams.b.address,
    );
    let config = directory.path().join("proconsul.toml");
    fs::write(&config, text)?;
    fs::write(directory.path().join("endless.wasm"), endless::component()?)?;
    let command = proconsul(&bench.binaries, &config);
    let _server = Server::start("proconsul", command, listen, directory.path())?;

    let seconds = bench.rounds(20, 3);
    let pressure = Pressure::start(listen, &["/"]);
    std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    let tally = pressure.stop()?;

    let metrics = Client::new(admin).get("/metrics")?.body;
    let traps = sum_of(&metrics, "proconsul_plugin_traps_total{")?;
    let fallbacks = sum_of(&metrics, "proconsul_plugin_fallbacks_total{")?;
    ensure!(traps > 0.0, "the plugin did no harm: nothing was shown");
    Ok(vec![Row::judged(
        "failed requests while a plugin never returns",
        format!(
            "{} in {seconds} s ({traps:.0} picks cut off, {fallbacks:.0} by the fallback)",
            tally.describe()
        ),
        "0".to_owned(),
        tally.failed == 0,
    )])
}

/// All series of a family together.
fn sum_of(metrics: &str, family: &str) -> Result<f64> {
    let series = metrics.lines().filter(|line| line.starts_with(family));
    let values = series.map(|line| {
        let value = line.rsplit_once(' ').context("a series without a value")?.1;
        Ok(value.parse::<f64>()?)
    });
    values.sum()
}
