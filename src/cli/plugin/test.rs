//! `proconsul plugin test`: plays scenario files against a component.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::super::REFUSED;
use super::health_check;
use super::make::TEST_SENDING;
use super::scenario::{self, Failure, Report};
use crate::config::{PluginLimits, PluginSource};
use crate::plugin::{HotEngine, Kind};

/// Longer than in a proxy: a scenario says what is picked, and must say so on a busy machine as well.
pub(super) const PICK_DEADLINE: Duration = Duration::from_secs(1);

/// How the results are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Show {
    pub json: bool,
    pub verbose: bool,
}

/// Plays the files, or those that belong to the plugin where none is named.
pub(super) fn test(
    plugin: &str,
    source: &PluginSource,
    kind: Kind,
    limits: PluginLimits,
    named: &[PathBuf],
    show: Show,
) -> ExitCode {
    if kind == Kind::AlertChannel {
        eprintln!(
            "error: {plugin} is an alert channel: have it send something, to whom --allow names, such as\n    \
             proconsul plugin test {plugin}{TEST_SENDING}"
        );
        return ExitCode::FAILURE;
    }
    let files = match scenario_files(plugin, source, named) {
        Ok(files) => files,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::FAILURE;
        }
    };
    if kind == Kind::HealthCheck {
        return health_check::test(plugin, source, limits, &files, show);
    }
    let engine = match HotEngine::new() {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("error: plugin engine: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut reports = Vec::new();
    for file in files {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                eprintln!("error: {}: {error}", file.display());
                return ExitCode::FAILURE;
            }
        };
        match scenario::play(&engine, source, limits, &text) {
            Ok(report) => reports.push((file, report)),
            Err(refusal) => {
                eprintln!("error: {plugin} {refusal}");
                return ExitCode::from(REFUSED);
            }
        }
    }
    match show.json {
        true => print_json(plugin, &reports),
        false => print_table(&reports, show.verbose),
    }
    match reports.iter().all(|(_, report)| report.passed()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The files that are named, else those in `scenarios` beside the component.
fn scenario_files(
    plugin: &str,
    source: &PluginSource,
    named: &[PathBuf],
) -> Result<Vec<PathBuf>, String> {
    let beside = match source {
        PluginSource::File(path) => path.with_file_name("scenarios"),
        PluginSource::BuiltIn(_) => PathBuf::new(),
    };
    let named = match named {
        [] if beside.is_dir() => &[beside][..],
        [] => return Err(format!("name the scenario files to play against {plugin}")),
        named => named,
    };
    let mut files = Vec::new();
    for path in named {
        match path.is_dir() {
            true => files.extend(toml_files(path).map_err(|e| format!("{}: {e}", path.display()))?),
            false => files.push(path.clone()),
        }
    }
    match files.is_empty() {
        true => Err("there is no scenario file (`*.toml`) in the folder".into()),
        false => Ok(files),
    }
}

fn toml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn print_table(reports: &[(PathBuf, Report)], verbose: bool) {
    let width = reports.iter().map(|(file, _)| file.display().to_string().len()).max();
    let width = width.unwrap_or(0).max("scenario".len());
    println!("{:<width$}  steps     picks  result", "scenario");
    for (file, report) in reports {
        let picks: usize = report.steps.iter().map(|step| step.picks).sum();
        let result = if report.passed() { "ok" } else { "FAILED" };
        let steps = report.steps.len();
        println!("{:<width$}  {steps:>5}  {picks:>8}  {result}", file.display().to_string());
        for step in report.steps.iter().filter(|_| verbose) {
            println!("    line {}: {}", step.line, step.about);
            for (id, &count) in &step.counts {
                let share = count as f64 / step.picks.max(1) as f64;
                println!("        {id:<20} {count:>8}  {share:.4}");
            }
        }
    }
    for (file, report) in reports {
        print_failures(file, &report.failures);
    }
}

/// What failed in a file, with its place.
pub(super) fn print_failures(file: &Path, failures: &[Failure]) {
    for Failure { line, step, about, expected, came } in failures {
        let step = step.map_or_else(String::new, |step| format!(" step {step}"));
        let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
        eprintln!("\n{}:{line}:{step}{about}", file.display());
        eprintln!("    expected {expected}\n    came     {came}");
    }
}

pub(super) fn failure_json(failure: &Failure) -> serde_json::Value {
    let Failure { line, step, about, expected, came } = failure;
    json!({ "line": line, "step": step, "about": about, "expected": expected, "came": came })
}

fn print_json(plugin: &str, reports: &[(PathBuf, Report)]) {
    let scenario = |(file, report): &(PathBuf, Report)| {
        let steps = report.steps.iter().map(|step| {
            json!({ "line": step.line, "about": step.about, "picks": step.picks, "counts": step.counts })
        });
        json!({
            "file": file,
            "passed": report.passed(),
            "seed": report.seed,
            "steps": steps.collect::<Vec<_>>(),
            "failures": report.failures.iter().map(failure_json).collect::<Vec<_>>(),
        })
    };
    let passed = reports.iter().all(|(_, report)| report.passed());
    let scenarios: Vec<_> = reports.iter().map(scenario).collect();
    println!("{:#}", json!({ "plugin": plugin, "passed": passed, "scenarios": scenarios }));
}
