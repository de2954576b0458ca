//! `proconsul check`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::REFUSED;
use crate::app;
use crate::config::{self, Problem};
use crate::plugin::builtin;

/// Checks a configuration as a reload would.
pub(super) fn check(path: &Path, as_json: bool) -> ExitCode {
    let built_in: Vec<&str> = builtin::names().collect();
    let loaded = match config::load(path, &|name| std::env::var(name).ok(), &built_in) {
        Ok(loaded) => loaded,
        Err(refused) => {
            match as_json {
                true => print_json(refused.problems.iter().map(problem_json)),
                false => eprintln!("{}", refused.problems),
            }
            return ExitCode::from(REFUSED);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (services, routes) = (loaded.config.services.len(), loaded.config.routes.len());
    if let Err(errors) = runtime.block_on(app::check(loaded.config)) {
        let problems: Vec<Problem> =
            errors.iter().map(|error| error.locate(&loaded.places)).collect();
        match as_json {
            true => print_json(problems.iter().map(problem_json)),
            false => problems.iter().for_each(|problem| eprintln!("error: {problem}")),
        }
        return ExitCode::from(REFUSED);
    }
    if as_json {
        print_json(std::iter::empty());
        return ExitCode::SUCCESS;
    }
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    println!("{}: good ({services} services, {routes} routes)", path.display());
    ExitCode::SUCCESS
}

fn print_json(problems: impl Iterator<Item = serde_json::Value>) {
    let problems: Vec<_> = problems.collect();
    println!("{:#}", json!({ "good": problems.is_empty(), "problems": problems }));
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    let Problem { place, path, what, suggestion, allowed } = problem;
    json!({
        "file": &*place.file,
        "line": place.line,
        "column": place.column,
        "path": path,
        "what": what,
        "suggestion": suggestion,
        "allowed": allowed,
    })
}
