//! `proconsul check`.

use std::path::Path;
use std::process::ExitCode;

use serde_json::json;

use super::REFUSED;
use crate::app;
use crate::config::Problem;

/// Checks a configuration as a reload would.
pub(super) fn check(path: &Path, as_json: bool) -> ExitCode {
    let loaded = match app::load(path) {
        Ok(loaded) => loaded,
        Err(refused) => {
            match as_json {
                true => print_json(refused.problems.iter(), [].iter()),
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
            true => print_json(problems.iter(), loaded.warnings.iter()),
            false => problems.iter().for_each(|problem| eprintln!("error: {problem}")),
        }
        return ExitCode::from(REFUSED);
    }
    if as_json {
        print_json([].iter(), loaded.warnings.iter());
        return ExitCode::SUCCESS;
    }
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    println!("{}: good ({services} services, {routes} routes)", path.display());
    ExitCode::SUCCESS
}

fn print_json<'a>(
    problems: impl Iterator<Item = &'a Problem>,
    warnings: impl Iterator<Item = &'a Problem>,
) {
    let problems: Vec<_> = problems.map(problem_json).collect();
    let warnings: Vec<_> = warnings.map(problem_json).collect();
    let good = problems.is_empty();
    println!("{:#}", json!({ "good": good, "problems": problems, "warnings": warnings }));
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
