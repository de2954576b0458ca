//! `proconsul plugin test` for health checks: against a server, or against [scripts](upstream) of one
//! that a [scenario file](format) has.

mod format;
mod play;
mod upstream;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::REFUSED;
use super::test::Show;
use crate::config::{PluginLimits, PluginSource};
use crate::model::{
    CheckName, HealthStatus, InstanceId, InstanceRecord, PluginCheck, ServiceKey, ServiceName,
    Verdict, Weight,
};
use crate::plugin::health_check::{Fault, HealthCheckHost, HealthChecker, SystemResolver, Target};
use crate::plugin::{AsyncEngine, EngineError, Library, Refusal, Seeds};
use crate::telemetry::Metrics;

/// How long a check may take, as in a configuration that says nothing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Loads components as the proxy does, with limits of the command line.
struct Workshop {
    host: Arc<HealthCheckHost>,
    source: PluginSource,
    limits: PluginLimits,
}

impl Workshop {
    fn new(source: &PluginSource, limits: PluginLimits) -> Result<Self, EngineError> {
        let library = Library::new(AsyncEngine::new()?, None);
        let resolver = Arc::new(SystemResolver::default());
        let host = HealthCheckHost::new(library, Seeds::from_entropy(), Metrics::new(), resolver)?;
        Ok(Self { host, source: source.clone(), limits })
    }

    fn load(&self, config: &toml::Table) -> Result<Arc<HealthChecker>, Refusal> {
        let check = PluginCheck {
            source: self.source.clone(),
            config_json: serde_json::to_string(config).unwrap_or_else(|_| "{}".into()),
            allow: Vec::new(),
            fresh: false,
            memory_bytes: self.limits.memory_bytes,
        };
        let name = CheckName::new("test").expect("a constant that is a name");
        self.host.load(&check, &name, &self.limits, None)
    }
}

/// An instance at an address, which `host` names.
fn target(host: &str, addresses: &[SocketAddr]) -> Target {
    let name = "a constant that is a name";
    Target {
        record: Arc::new(InstanceRecord {
            service: ServiceKey::in_default(ServiceName::new("test").expect(name)),
            id: InstanceId::new("test").expect(name),
            version: None,
            host: host.to_owned(),
            port: addresses.first().map_or(0, SocketAddr::port),
            protocol: String::new(),
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            tags: Default::default(),
            metadata: Default::default(),
            ttl: None,
            checks: Vec::new(),
        }),
        addresses: addresses.iter().map(SocketAddr::ip).collect(),
    }
}

/// A verdict, or the plugin's failure, as people read it.
fn words(result: &Result<Verdict, Fault>) -> String {
    match result {
        Ok(Verdict { status, reason }) if reason.is_empty() => status.to_string(),
        Ok(Verdict { status, reason }) => format!("{status}: {reason}"),
        Err(fault) => fault.to_string(),
    }
}

/// Plays scenario files.
pub(super) fn test(
    plugin: &str,
    source: &PluginSource,
    limits: PluginLimits,
    files: &[PathBuf],
    show: Show,
) -> ExitCode {
    run(source, limits, async |workshop| {
        let mut reports = Vec::new();
        for file in files {
            let text = match std::fs::read_to_string(file) {
                Ok(text) => text,
                Err(error) => {
                    eprintln!("error: {}: {error}", file.display());
                    return ExitCode::FAILURE;
                }
            };
            match play::play(&workshop, &text).await {
                Ok(report) => reports.push((file.clone(), report)),
                Err(refusal) => {
                    eprintln!("error: {plugin} {refusal}");
                    return ExitCode::from(REFUSED);
                }
            }
        }
        play::print(plugin, &reports, show);
        match reports.iter().all(|(_, report)| report.failures.is_empty()) {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    })
}

/// Checks one server, once.
pub(super) fn against(
    plugin: &str,
    source: &PluginSource,
    limits: PluginLimits,
    address: &str,
    config: &str,
    as_json: bool,
) -> ExitCode {
    let config: toml::Table = match toml::from_str(config) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("error: --config is no TOML: {}", error.message());
            return ExitCode::FAILURE;
        }
    };
    run(source, limits, async |workshop| {
        let addresses: Vec<_> = match tokio::net::lookup_host(address).await {
            Ok(addresses) => addresses.collect(),
            Err(error) => {
                eprintln!("error: {address}: {error}; --against takes host:port");
                return ExitCode::FAILURE;
            }
        };
        let checker = match workshop.load(&config) {
            Ok(checker) => checker,
            Err(refusal) => {
                eprintln!("error: {plugin} {refusal}");
                return ExitCode::from(REFUSED);
            }
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let begun = Instant::now();
        let result = checker.check(&target(host, &addresses), TIMEOUT).await;
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        match as_json {
            true => println!("{:#}", as_facts(plugin, address, &result, ms)),
            false => println!("{} ({ms:.1} ms)", words(&result)),
        }
        match result {
            Ok(Verdict { status: HealthStatus::Passing | HealthStatus::Warning, .. }) => {
                ExitCode::SUCCESS
            }
            _ => ExitCode::FAILURE,
        }
    })
}

fn as_facts(
    plugin: &str,
    address: &str,
    result: &Result<Verdict, Fault>,
    ms: f64,
) -> serde_json::Value {
    let (status, reason, fault) = match result {
        Ok(verdict) => (Some(verdict.status.as_str()), verdict.reason.as_str(), None),
        Err(fault) => (None, "", Some(fault.to_string())),
    };
    json!({
        "plugin": plugin,
        "against": address,
        "status": status,
        "reason": reason,
        "fault": fault,
        "milliseconds": ms,
    })
}

fn run(
    source: &PluginSource,
    limits: PluginLimits,
    work: impl AsyncFnOnce(Workshop) -> ExitCode,
) -> ExitCode {
    let workshop = match Workshop::new(source, limits) {
        Ok(workshop) => workshop,
        Err(error) => {
            eprintln!("error: plugin engine: {error}");
            return ExitCode::FAILURE;
        }
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work(workshop)),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
