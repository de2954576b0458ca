//! The file's shape: which keys there are, of which type, with which default. The doc comment of
//! each is what an editor shows for it, by way of the JSON Schema.
//!
//! Deliberately knows nothing of meaning: whether a name exists or a number makes sense is
//! `validate`'s to say.

mod access_log;
mod admin;
mod alert_channel;
mod alert_rule;
mod alerts;
mod check;
mod headers;
mod health;
mod json;
mod listener;
mod log;
mod metrics;
mod otlp;
mod plugins;
mod registry;
mod route;
mod server;
mod service;
mod strategy;
mod units;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use access_log::{AccessLog, AccessLogTarget, Rotate, UserId};
pub use admin::{Admin, AdminAuth, AdminToken, JwtAuth, Role};
pub use alert_channel::AlertChannel;
pub use alert_rule::{
    AlertAggregate, AlertDivisor, AlertFunction, AlertOp, AlertRule, AlertThreshold,
};
pub use alerts::{AlertInhibition, Alerts};
pub use check::{
    Check, CheckTls, GrpcCheck, HttpCheck, ResourceCheck, ResponseTimeCheck, TcpCheck,
};
pub use headers::HeaderEdit;
pub use health::{Health, HealthStatus, ServiceHealth};
pub use json::json_schema;
pub use listener::{CertificateFiles, Listener, ListenerTls};
pub use log::{Log, LogFormat, LogRecords, LogTarget, LogWriter};
pub use metrics::Metrics;
pub use otlp::{Otlp, OtlpLevel, OtlpLogs, OtlpMetrics, OtlpProtocol, OtlpTls, OtlpTraces};
pub use plugins::Plugins;
pub use registry::{Registry, RegistryStore};
pub use route::{HeaderMatch, Redirect, Rewrite, Route, RouteTimeouts, Scheme};
pub use server::Server;
pub use service::{Endpoint, Protocol, Registered, Service, Timeouts, UpstreamTls};
pub use strategy::{HashOn, Strategy};
pub use units::{Size, Time};

/// Proconsul's configuration file. A fragment (a file that `include` names) may hold `checks`,
/// `listeners`, `strategies`, `services` and `routes`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Proconsul configuration")]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Fragments to read besides this file, relative to its directory: a pattern with `*` in the
    /// file name only, read in the order of their names. Default: `conf.d/*.toml` where there is
    /// such a directory. Empty: none.
    pub include: Option<String>,
    /// The process: threads, sockets, shutdown. Changes take a restart.
    pub server: Server,
    /// The admin listener: metrics, health, status, reload.
    pub admin: Admin,
    /// What the process leaves in writing, and where.
    pub log: Log,
    /// One JSON line for each request.
    pub access_log: AccessLog,
    /// Telemetry for an OpenTelemetry collector. Default: none.
    pub otlp: Option<Otlp>,
    /// What is counted, and how long the process remembers it.
    pub metrics: Metrics,
    /// Limits of every plugin, and the cache of compiled ones.
    pub plugins: Plugins,
    /// The registry of services and their instances.
    pub registry: Registry,
    /// What holds for every service's health, and every check's schedule.
    pub health: Health,
    /// Health checks, by name: services name them, and so may registrations.
    pub checks: BTreeMap<String, Check>,
    /// What people are told when something is wrong, and how it reaches them.
    pub alerts: Alerts,
    /// Sockets that take requests, by name.
    pub listeners: BTreeMap<String, Listener>,
    /// Plugins with their configuration, by name. A service may also name a built-in directly.
    pub strategies: BTreeMap<String, Strategy>,
    /// What requests are forwarded to, by name.
    pub services: BTreeMap<String, Service>,
    /// Which request goes where: the most specific route wins, then the first in order.
    pub routes: Vec<Route>,
}

/// The top-level keys that a fragment may hold.
pub const FRAGMENT_KEYS: [&str; 5] = ["checks", "listeners", "routes", "services", "strategies"];
