//! `proconsul plugin inspect`: what a component is, and what it may do.

use std::process::ExitCode;

use serde_json::json;

use super::super::REFUSED;
use crate::config::{PluginLimits, PluginSource};
use crate::plugin::contract::{self, BALANCER_PACKAGE, BALANCER_VERSION};
use crate::plugin::{HotEngine, Library};

/// What an import lets a plugin do, in words.
fn permission(import: &str) -> &'static str {
    let interface = import.split('@').next().unwrap_or(import);
    match interface {
        "proconsul:host/log" => "write to the proxy's log, bounded",
        "proconsul:host/random" => "seed a generator",
        "proconsul:host/node" => "read the proxy's zone and region",
        "proconsul:balancer/types" => "words only",
        "proconsul:balancer/loads" => "read endpoints' requests in flight, latency, reported load",
        "proconsul:balancer/request" => "read the request that is being placed",
        _ => "not offered by this proxy",
    }
}

/// Prints what a component is. A component that would be refused is shown all the same.
pub(super) fn inspect(plugin: &str, source: &PluginSource, as_json: bool) -> ExitCode {
    let limits = PluginLimits::default();
    let engine = match HotEngine::new() {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("error: plugin engine: {error}");
            return ExitCode::FAILURE;
        }
    };
    let library = Library::new(engine.clone(), None);
    let component = match library.load(source, limits.file_bytes) {
        Ok(component) => component,
        Err(refusal) => {
            eprintln!("error: {plugin} {refusal}");
            return ExitCode::from(REFUSED);
        }
    };
    let names = |names: Vec<contract::Name>| -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    };
    let imports = names(contract::imports(&engine, &component));
    let exports = names(contract::exports(&engine, &component));
    let verdict = contract::check_balancer(&engine, &component);
    let (major, minor) = BALANCER_VERSION;
    let spoken = format!("{BALANCER_PACKAGE}@{major}.{minor}");

    if as_json {
        let facts = json!({
            "plugin": plugin,
            "sha256": component.digest(),
            "bytes": component.file_bytes(),
            "spoken": spoken,
            "fits": verdict.is_ok(),
            "refusal": verdict.as_ref().err().map(ToString::to_string),
            "imports": imports,
            "exports": exports,
        });
        println!("{facts:#}");
    } else {
        println!("plugin    {plugin}");
        println!("size      {} bytes", component.file_bytes());
        println!("sha256    {}", component.digest());
        println!("exports   {}", exports.join("\n          "));
        let imports: Vec<_> =
            imports.iter().map(|import| format!("{import:<34} {}", permission(import))).collect();
        match imports.is_empty() {
            true => println!("imports   nothing: it can only compute"),
            false => println!("imports   {}", imports.join("\n          ")),
        }
        println!("limits    pick {:?}, setup {:?}", limits.pick_deadline, limits.setup_deadline);
        println!(
            "          memory {} MiB, {} log lines a second, tripped after {} failures in a row",
            limits.memory_bytes >> 20,
            limits.log_lines_per_second,
            limits.trip_after
        );
        match &verdict {
            Ok(_) => println!("contract  fits {spoken}"),
            Err(refusal) => println!("contract  refused: {plugin} {refusal}"),
        }
    }
    match verdict {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(REFUSED),
    }
}
