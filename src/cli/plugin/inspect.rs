//! `proconsul plugin inspect`: what a component is, and what it may do.

use std::process::ExitCode;

use serde_json::json;

use super::super::REFUSED;
use crate::config::{PluginLimits, PluginSource};
use crate::plugin::contract::{self, BalancerExports, Contract};
use crate::plugin::{HotEngine, Kind, Library, LoadedComponent, Refusal, builtin};

/// What an import lets a plugin do, in words.
fn permission(import: &contract::Name) -> &'static str {
    match import.interface.as_str() {
        "proconsul:host/log" => "write to the proxy's log, bounded",
        "proconsul:host/random" => "seed a generator",
        "proconsul:host/node" => "read the proxy's zone and region",
        "proconsul:balancer/types"
        | "proconsul:health-check/types"
        | "proconsul:alert-channel/types" => "words only",
        "proconsul:alert-channel/journal" => "append to the one file that the channel names",
        "proconsul:balancer/loads" => "read endpoints' requests in flight, latency, reported load",
        "proconsul:balancer/request" => "read the request that is being placed",
        "wasi:http/outgoing-handler" => "send HTTP requests to whom it may reach",
        "wasi:sockets/tcp" => "speak TCP with whom it may reach",
        "wasi:sockets/ip-name-lookup" => "resolve the names of whom it may reach",
        "wasi:sockets/udp" | "wasi:sockets/udp-create-socket" => "nothing: UDP is refused",
        "wasi:clocks/monotonic-clock" => "measure time, and wait",
        "wasi:clocks/wall-clock" => "read the date",
        "wasi:random/random" | "wasi:random/insecure" | "wasi:random/insecure-seed" => {
            "random bytes"
        }
        "wasi:cli/exit" => "end itself, which counts as a failure",
        "wasi:cli/environment" => "nothing: there are no arguments and no variables",
        "wasi:filesystem/types" | "wasi:filesystem/preopens" => "nothing: there is no folder",
        other if other.starts_with("wasi:cli/") => "nothing: the streams lead nowhere",
        other if other.starts_with("wasi:") => "words only",
        _ => "not offered by this proxy",
    }
}

/// Whom a component may reach, if any.
fn reach(kind: Kind) -> &'static str {
    match kind {
        Kind::Balancer => "nobody: it has no network",
        Kind::HealthCheck => {
            "the instance under check, at its own port; besides what `allow` of its `[checks.*]` lists"
        }
        Kind::AlertChannel => "what `allow` of its `[alerts.channels.*]` lists, and nobody else",
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
    let built_in = match source {
        PluginSource::BuiltIn(name) => builtin::kind(name),
        PluginSource::File(_) => None,
    };
    let library = Library::new(engine, None);
    let component =
        match library.load(built_in.unwrap_or(Kind::Balancer), source, limits.file_bytes) {
            Ok(component) => component,
            Err(refusal) => {
                eprintln!("error: {plugin} {refusal}");
                return ExitCode::from(REFUSED);
            }
        };
    let kind = contract::kind(&component).unwrap_or(Kind::Balancer);
    let verdict = world(kind, &component);
    let facts = Facts {
        plugin,
        kind,
        world: verdict.as_ref().map_or("unknown", |world| world),
        imports: contract::imports(&component),
        exports: contract::exports(&component),
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
fn world(kind: Kind, component: &LoadedComponent) -> Result<&'static str, Refusal> {
    match kind {
        Kind::Balancer => {
            contract::check_balancer(component).map(|exports| balancer_world(&exports))
        }
        Kind::HealthCheck => {
            contract::check_health_check(component).map(|_| Contract::of(kind).world)
        }
        Kind::AlertChannel => {
            contract::check_alert_channel(component).map(|_| Contract::of(kind).world)
        }
    }
}

fn balancer_world(exports: &BalancerExports) -> &'static str {
    match (&exports.feedback, &exports.handover) {
        (None, None) => "balancer",
        (Some(_), None) => "balancer-with-feedback",
        (None, Some(_)) => "balancer-with-handover",
        (Some(_), Some(_)) => "balancer-with-feedback and balancer-with-handover",
    }
}

struct Facts<'a> {
    plugin: &'a str,
    kind: Kind,
    world: &'static str,
    imports: Vec<contract::Name>,
    exports: Vec<contract::Name>,
    /// What holds where the configuration says nothing else.
    limits: &'a PluginLimits,
    component: &'a LoadedComponent,
    refusal: Option<String>,
}

impl Facts<'_> {
    fn spoken(&self) -> String {
        Contract::of(self.kind).spoken()
    }

    fn print_json(&self) {
        let Self { plugin, kind, world, imports, exports, limits, component, refusal } = self;
        let imports: Vec<_> = imports
            .iter()
            .map(|import| json!({ "name": import.to_string(), "permits": permission(import) }))
            .collect();
        let exports: Vec<_> = exports.iter().map(ToString::to_string).collect();
        let facts = json!({
            "plugin": plugin,
            "kind": kind.to_string(),
            "reaches": reach(*kind),
            "sha256": component.digest(),
            "bytes": component.file_bytes(),
            "world": world,
            "spoken": self.spoken(),
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
        let Self { plugin, kind, world, imports, exports, limits: _, component, refusal } = self;
        println!("plugin    {plugin}");
        println!("size      {} bytes", component.file_bytes());
        println!("sha256    {}", component.digest());
        println!("kind      {kind}");
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
        println!("reaches   {}", reach(*kind));
        self.print_limits();
        match refusal {
            None => println!("contract  fits {}", self.spoken()),
            Some(refusal) => println!("contract  refused: {plugin} {refusal}"),
        }
    }

    fn print_limits(&self) {
        let limits = self.limits;
        match self.kind {
            Kind::Balancer => {
                let (pick, setup) = (limits.pick_deadline, limits.setup_deadline);
                println!("limits    pick {pick:?}, setup {setup:?}");
                println!(
                    "          memory {} MiB, {} log lines a second, tripped after {} failures in a row",
                    limits.memory_bytes >> 20,
                    limits.log_lines_per_second,
                    limits.trip_after
                );
            }
            Kind::HealthCheck | Kind::AlertChannel => {
                let setup = limits.setup_deadline;
                let (whose, call) = match self.kind {
                    Kind::AlertChannel => ("channel", "notification"),
                    _ => ("check", "check"),
                };
                println!(
                    "limits    the {whose}'s `timeout`, of which 500ms computing; setup {setup:?}"
                );
                println!(
                    "          memory {} MiB, {} log lines a second, 16 connections and 16 MiB a {call}",
                    limits.memory_bytes >> 20,
                    limits.log_lines_per_second,
                );
            }
        }
        println!(
            "          (the defaults; `[plugins]` and `{}` may set others)",
            self.kind.section()
        );
    }
}
