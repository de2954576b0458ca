//! `proconsul plugin inspect`: what a component is, and what it may do.

use std::process::ExitCode;

use serde_json::json;

use super::super::REFUSED;
use crate::config::{PluginLimits, PluginSource};
use crate::plugin::contract::{self, BALANCER_PACKAGE, BALANCER_VERSION, BalancerExports};
use crate::plugin::{HotEngine, Library, LoadedComponent};

/// What an import lets a plugin do, in words.
fn permission(import: &contract::Name) -> &'static str {
    match import.interface.as_str() {
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
pub(super) fn inspect(
    plugin: &str,
    source: &PluginSource,
    limits: &PluginLimits,
    as_json: bool,
) -> ExitCode {
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
    let verdict = contract::check_balancer(&engine, &component);
    let facts = Facts {
        plugin,
        world: verdict.as_ref().map_or("unknown", world),
        imports: contract::imports(&engine, &component),
        exports: contract::exports(&engine, &component),
        limits,
        component: &component,
        refusal: verdict.as_ref().err().map(ToString::to_string),
    };
    match as_json {
        true => facts.print_json(),
        false => facts.print(),
    }
    match verdict {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(REFUSED),
    }
}

/// The world whose exports a component has.
fn world(exports: &BalancerExports) -> &'static str {
    match (&exports.feedback, &exports.handover) {
        (None, None) => "balancer",
        (Some(_), None) => "balancer-with-feedback",
        (None, Some(_)) => "balancer-with-handover",
        (Some(_), Some(_)) => "balancer-with-feedback and balancer-with-handover",
    }
}

struct Facts<'a> {
    plugin: &'a str,
    world: &'static str,
    imports: Vec<contract::Name>,
    exports: Vec<contract::Name>,
    /// What holds where the configuration says nothing else.
    limits: &'a PluginLimits,
    component: &'a LoadedComponent,
    refusal: Option<String>,
}

impl Facts<'_> {
    fn spoken() -> String {
        let (major, minor) = BALANCER_VERSION;
        format!("{BALANCER_PACKAGE}@{major}.{minor}")
    }

    fn print_json(&self) {
        let Self { plugin, world, imports, exports, limits, component, refusal } = self;
        let imports: Vec<_> = imports
            .iter()
            .map(|import| json!({ "name": import.to_string(), "permits": permission(import) }))
            .collect();
        let exports: Vec<_> = exports.iter().map(ToString::to_string).collect();
        let facts = json!({
            "plugin": plugin,
            "sha256": component.digest(),
            "bytes": component.file_bytes(),
            "world": world,
            "spoken": Self::spoken(),
            "fits": refusal.is_none(),
            "refusal": refusal,
            "imports": imports,
            "exports": exports,
            "default_limits": {
                "pick_deadline_ms": limits.pick_deadline.as_millis() as u64,
                "setup_deadline_ms": limits.setup_deadline.as_millis() as u64,
                "memory_bytes": limits.memory_bytes,
                "file_bytes": limits.file_bytes,
                "log_lines_per_second": limits.log_lines_per_second,
                "trip_after": limits.trip_after,
            },
        });
        println!("{facts:#}");
    }

    fn print(&self) {
        let Self { plugin, world, imports, exports, limits, component, refusal } = self;
        println!("plugin    {plugin}");
        println!("size      {} bytes", component.file_bytes());
        println!("sha256    {}", component.digest());
        println!("world     {world}");
        let exports: Vec<_> = exports.iter().map(ToString::to_string).collect();
        println!("exports   {}", exports.join("\n          "));
        let line =
            |import: &contract::Name| format!("{:<34} {}", import.to_string(), permission(import));
        match imports.is_empty() {
            true => println!("imports   nothing: it can only compute"),
            false => {
                let lines: Vec<_> = imports.iter().map(line).collect();
                println!("imports   {}", lines.join("\n          "));
            }
        }
        println!("limits    pick {:?}, setup {:?}", limits.pick_deadline, limits.setup_deadline);
        println!(
            "          memory {} MiB, {} log lines a second, tripped after {} failures in a row",
            limits.memory_bytes >> 20,
            limits.log_lines_per_second,
            limits.trip_after
        );
        println!("          (the defaults; `[plugins]` and `[strategies.*]` may set others)");
        match refusal {
            None => println!("contract  fits {}", Self::spoken()),
            Some(refusal) => println!("contract  refused: {plugin} {refusal}"),
        }
    }
}
