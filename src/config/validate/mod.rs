//! Schema to types: what the file says is checked for meaning, every name looked up, every default
//! filled in. All problems are collected; nothing stops at the first.
//!
//! Pure: what it must know of the machine comes in [`Surroundings`]. It never sees what was pruned,
//! and does not complain of its absence: that was reported when it was pruned.

mod access_log;
mod admin;
mod alert_channel;
mod alert_hold;
mod alert_metric;
mod alert_paging;
mod alert_rule;
mod alert_text;
mod alerts;
mod check;
mod headers;
mod health;
mod health_check;
mod listener;
mod log;
mod matcher;
mod metrics;
mod network;
mod otlp;
mod plugins;
mod process;
mod registry;
mod rewrite;
mod route;
mod service;
mod strategy;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::path::KeyPath;
use super::problem::{Problem, Problems};
use super::schema;
use super::tree::Node;
use super::types::Config;
pub use admin::service_pattern;
use check::Check;
pub use health_check::allowed_peer;

/// What a configuration means depends on where it is read.
pub struct Surroundings<'a> {
    /// The configuration file's directory, absolute: relative paths begin here.
    pub directory: &'a Path,
    /// The plugins that are embedded in the binary.
    pub built_in: BuiltIn<'a>,
    /// An environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether there is such a file.
    pub is_file: &'a dyn Fn(&Path) -> bool,
    /// What `threads = 0` means.
    pub cores: usize,
}

/// Names of the plugins that are embedded in the binary, by their kind.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn<'a> {
    pub strategies: &'a [&'a str],
    pub checks: &'a [&'a str],
    pub channels: &'a [&'a str],
}

/// What validation makes of a file.
pub struct Validated {
    /// `None` where there are problems.
    pub config: Option<Config>,
    pub problems: Problems,
    /// Doubts that stop nothing.
    pub warnings: Vec<Problem>,
    /// Files whose content the configuration depends on.
    pub files: BTreeSet<PathBuf>,
}

/// Checks a decoded file; the tree says where each value stands.
pub fn validate(file: schema::File, tree: &Node, around: &Surroundings<'_>) -> Validated {
    let mut check = Check::new(tree, around);
    let config = whole(file, &mut check);
    let (problems, warnings, files) = check.into_parts();
    let config = config.filter(|_| problems.is_empty());
    Validated { config, problems, warnings, files }
}

fn whole(file: schema::File, check: &mut Check<'_>) -> Option<Config> {
    let schema::File {
        include: _, // `source` has followed it.
        server,
        admin,
        log,
        access_log,
        otlp,
        metrics,
        plugins,
        registry,
        health,
        checks,
        alerts,
        listeners,
        strategies,
        services,
        routes,
    } = file;
    let at = KeyPath::root;
    let server = process::server(server, &at("server"), check);
    let admin = admin::admin(admin, &at("admin"), check);
    let log = log::log(log, &at("log"), check);
    let otlp = otlp.map(|otlp| otlp::otlp(otlp, &at("otlp"), check));
    let access_log = access_log::access_log(access_log, &at("access_log"), check);
    if let (Some(log), Some(access_log)) = (&log, &access_log) {
        log::files_differ(log, access_log.target.file(), &at("log"), check);
    }
    let metrics = metrics::metrics(metrics, &at("metrics"), check);
    let plugins = plugins::plugins(plugins, &at("plugins"), check);
    let admin_address = admin.as_ref().and_then(|admin| admin.address);
    let listeners = listener::listeners(listeners, admin_address, &at("listeners"), check);
    let strategies = strategy::strategies(strategies, &plugins.limits, &at("strategies"), check);
    let registry = registry::registry(registry, &at("registry"), check);
    let (health, schedule) = health::health(health, &at("health"), check);
    let memory = plugins.limits.memory_bytes;
    let checks = health_check::checks(checks, &schedule, memory, &at("checks"), check);
    let alerts = alerts::alerts(alerts, memory, &at("alerts"), check);
    let services = service::services(services, &health, &checks, &at("services"), check);
    if let Some(log) = &log {
        let names = services.keys().map(|name| name.as_str());
        log::services_exist(log, names, &at("log"), check);
    }
    let strategies = strategy::used(strategies, &services, &plugins.limits, check);
    let routes = route::routes(routes, &at("routes"), check);
    Some(Config {
        server: server?,
        admin: admin?,
        log: log?,
        access_log: access_log?,
        otlp: otlp.flatten(),
        metrics,
        plugins,
        registry: registry?,
        health,
        checks,
        alerts,
        listeners,
        strategies,
        services,
        routes,
    })
}
