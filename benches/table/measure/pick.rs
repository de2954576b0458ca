//! What a pick through a component takes, beside the native algorithm: a run of the `pick` bench.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::Bench;
use crate::report::Row;

pub fn run(bench: &Bench) -> Result<Vec<Row>> {
    let mut command = Command::new(&bench.binaries.pick);
    command.arg("--tab");
    if bench.quick {
        command.arg("--quick");
    }
    let output = command.output().context("the pick bench cannot be started")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.lines().map(row).collect()
}

fn row(line: &str) -> Result<Row> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [strategy, endpoints, config, wasm_ns, native_ns, bar_ns] = fields[..] else {
        bail!("not a line of figures: {line}");
    };
    let config = if config == "{}" { String::new() } else { format!(", `{config}`") };
    let what = format!("pick: {strategy}, {endpoints} endpoints{config}");
    let measured = format!("{wasm_ns} ns (native {native_ns} ns)");
    let (wasm_ns, bar_ns): (f64, f64) = (wasm_ns.parse()?, bar_ns.parse()?);
    Ok(if bar_ns > 0.0 {
        Row::judged(what, measured, format!("≤ {bar_ns} ns"), wasm_ns <= bar_ns)
    } else {
        Row::information(what, measured)
    })
}
