//! Measures what Proconsul promises, and prints one table.
//!
//! `cargo bench --bench table [-- [--quick] [NAME...]]`: all measurements, or those named (`--list`
//! names them). A whole run writes the table to `benches/RESULTS.md`. One that fails says so in its
//! row, and the others go on; the exit code is 1 when a bar does not hold. Programs that are built
//! already are measured with `PROCONSUL_BENCH_BINARIES=DIRECTORY` ([`binaries`]).
//!
//! What is measured are other processes: this one links neither the library nor pingora, so that it
//! builds fast and its own weight shows nowhere. Ratios come from rounds that take turns, so that
//! the machine's moods meet everyone; look at the ratios, not at the microseconds.

mod binaries;
mod client;
mod endless;
mod h2load;
mod machine;
mod measure;
mod plugin_file;
mod pressure;
mod process;
mod proxies;
mod receiver;
mod registry;
mod report;
mod stats;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use binaries::Binaries;
use measure::{ALL, Bench};
use report::{Row, Table};

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/RESULTS.md");

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every bar holds.
fn run() -> Result<bool> {
    let Some(Wishes { quick, names }) = wishes()? else { return Ok(true) };
    let bench = Bench { binaries: Binaries::locate()?, quick };
    let mut table = Table::default();
    for measurement in ALL {
        if !names.is_empty() && !names.iter().any(|name| name == measurement.name) {
            continue;
        }
        let begun = Instant::now();
        eprintln!("{}: {}", measurement.name, measurement.what);
        match (measurement.run)(&bench) {
            Ok(rows) => rows.into_iter().for_each(|row| table.add(row)),
            Err(error) => table.add(Row::failed(measurement.what, &error)),
        }
        eprintln!("{}: {:.0} s", measurement.name, begun.elapsed().as_secs_f64());
    }
    println!("{table}");
    if names.is_empty() && !quick {
        let page = format!("{}\n{table}", machine::describe());
        std::fs::write(RESULTS, page).with_context(|| RESULTS.to_owned())?;
        eprintln!("written to {RESULTS}");
    }
    Ok(table.holds())
}

struct Wishes {
    /// Few rounds: to see that it works, not what it gives.
    quick: bool,
    /// None = all.
    names: Vec<String>,
}

/// What the command line asks for; none when it was answered already.
fn wishes() -> Result<Option<Wishes>> {
    let mut wishes = Wishes { quick: false, names: Vec::new() };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--bench" => {} // cargo's own
            "--quick" => wishes.quick = true,
            "--list" => {
                ALL.iter().for_each(|m| println!("{:<10} {}", m.name, m.what));
                return Ok(None);
            }
            name if ALL.iter().any(|m| m.name == name) => wishes.names.push(argument),
            other => bail!("`{other}` is not known: --quick, --list, or a name that --list shows"),
        }
    }
    Ok(Some(wishes))
}
