//! Playing a scenario against a health check.

use std::path::PathBuf;

use serde_json::json;

use super::super::scenario::{Failure, line_of};
use super::super::test::{Show, failure_json, print_failures};
use super::format::{Scenario, Step};
use super::upstream::Upstream;
use super::{TIMEOUT, Workshop, target, words};
use crate::plugin::Refusal;
use crate::plugin::health_check::HealthChecker;

/// What became of a scenario.
#[derive(Debug, Default)]
pub struct Report {
    steps: Vec<StepReport>,
    /// Empty = passed.
    pub failures: Vec<Failure>,
}

#[derive(Debug)]
struct StepReport {
    line: usize,
    about: String,
    verdict: String,
}

/// Plays a file. An error is the component's own, whatever the scenario: it may not serve at all.
pub async fn play(workshop: &Workshop, text: &str) -> Result<Report, Refusal> {
    let mut report = Report::default();
    let scenario = match Scenario::read(text) {
        Ok(scenario) => scenario,
        Err((line, message)) => {
            report.failed(line, None, "", "a scenario file", &message);
            return Ok(report);
        }
    };
    let checker = match (workshop.load(&scenario.config), &scenario.refused) {
        (Ok(checker), None) => checker,
        (Ok(_), Some(message)) => {
            let expected = format!("a refusal with {message:?}");
            report.failed(1, None, "", &expected, "the plugin took `config`");
            return Ok(report);
        }
        (Err(refusal), Some(message)) if refusal.to_string().contains(message) => {
            return Ok(report);
        }
        (Err(refusal @ (Refusal::Declined { .. } | Refusal::Failed { .. })), _) => {
            let expected = "a plugin that takes `config`, and can be tried";
            report.failed(1, None, "", expected, &refusal.to_string());
            return Ok(report);
        }
        (Err(refusal), _) => return Err(refusal),
    };
    let timeout = scenario.timeout.map_or(TIMEOUT, |time| time.0);
    for (index, step) in scenario.steps.iter().enumerate() {
        let line = line_of(text, step.span().start);
        report.play_step(&checker, timeout, index + 1, line, step.as_ref()).await;
    }
    Ok(report)
}

impl Report {
    async fn play_step(
        &mut self,
        checker: &HealthChecker,
        timeout: std::time::Duration,
        number: usize,
        line: usize,
        step: &Step,
    ) {
        let Step { about, server, expect, reason } = step;
        let upstream = match Upstream::start(server.clone()).await {
            Ok(upstream) => upstream,
            Err(error) => {
                let came = error.to_string();
                self.failed(line, Some(number), about, "a server on this machine", &came);
                return;
            }
        };
        let host = upstream.address.ip().to_string();
        let result = checker.check(&target(&host, &[upstream.address]), timeout).await;
        let verdict = words(&result);
        let fits = result.as_ref().is_ok_and(|verdict| {
            verdict.status.as_str() == expect.as_str() && verdict.reason.contains(reason)
        });
        if !fits {
            let with = if reason.is_empty() { "" } else { ": .. " };
            let expected = format!("{}{with}{reason}", expect.as_str());
            self.failed(line, Some(number), about, &expected, &verdict);
        }
        self.steps.push(StepReport { line, about: about.clone(), verdict });
    }

    fn failed(
        &mut self,
        line: usize,
        step: Option<usize>,
        about: &str,
        expected: &str,
        came: &str,
    ) {
        self.failures.push(Failure {
            line,
            step,
            about: about.into(),
            expected: expected.into(),
            came: came.into(),
        });
    }
}

pub fn print(plugin: &str, reports: &[(PathBuf, Report)], show: Show) {
    match show.json {
        true => print_json(plugin, reports),
        false => print_table(reports, show.verbose),
    }
}

fn print_table(reports: &[(PathBuf, Report)], verbose: bool) {
    let width = reports.iter().map(|(file, _)| file.display().to_string().len()).max();
    let width = width.unwrap_or(0).max("scenario".len());
    println!("{:<width$}  checks  result", "scenario");
    for (file, report) in reports {
        let result = if report.failures.is_empty() { "ok" } else { "FAILED" };
        println!("{:<width$}  {:>6}  {result}", file.display().to_string(), report.steps.len());
        for step in report.steps.iter().filter(|_| verbose) {
            println!("    line {}: {}\n        {}", step.line, step.about, step.verdict);
        }
    }
    for (file, report) in reports {
        print_failures(file, &report.failures);
    }
}

fn print_json(plugin: &str, reports: &[(PathBuf, Report)]) {
    let scenario = |(file, report): &(PathBuf, Report)| {
        let steps = report
            .steps
            .iter()
            .map(|step| json!({ "line": step.line, "about": step.about, "verdict": step.verdict }));
        json!({
            "file": file,
            "passed": report.failures.is_empty(),
            "steps": steps.collect::<Vec<_>>(),
            "failures": report.failures.iter().map(failure_json).collect::<Vec<_>>(),
        })
    };
    let passed = reports.iter().all(|(_, report)| report.failures.is_empty());
    let scenarios: Vec<_> = reports.iter().map(scenario).collect();
    println!("{:#}", json!({ "plugin": plugin, "passed": passed, "scenarios": scenarios }));
}
