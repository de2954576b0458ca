//! The configuration after validation: every value checked, every reference resolved to a name
//! that exists, every default filled in. What the rest of the program reads.
//!
//! Knows nothing of TOML: `schema` is the file's shape, `validate` the way from there to here.

mod admin;
mod alert_channel;
mod alerts;
mod headers;
mod listener;
mod log;
mod metrics;
mod otlp;
mod plugins;
mod registry;
mod route;
mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use crate::model::PluginSource;
use crate::model::{Check, CheckName, ServiceName, StrategyName};

pub use admin::*;
pub use alert_channel::*;
pub use alerts::*;
pub use headers::*;
pub use listener::*;
pub use log::*;
pub use metrics::*;
pub use otlp::*;
pub use plugins::*;
pub use registry::*;
pub use route::*;
pub use service::*;

/// A whole configuration, as one reload takes effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub server: Server,
    pub admin: Admin,
    pub log: Log,
    pub access_log: AccessLog,
    /// `None` exports nothing.
    pub otlp: Option<Otlp>,
    pub metrics: Metrics,
    pub plugins: Plugins,
    pub registry: Registry,
    pub health: Health,
    /// `[checks]`: services name them, and registrations may.
    pub checks: BTreeMap<CheckName, Arc<Check>>,
    pub alerts: Alerts,
    pub listeners: Vec<Listener>,
    /// Every strategy: those of `[strategies]`, used or not, and built-in ones that a
    /// service names directly.
    pub strategies: BTreeMap<StrategyName, Arc<Strategy>>,
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    /// In the order of the file, then of the fragments' names.
    pub routes: Vec<Arc<Route>>,
}

/// The process. A change here needs a restart (a graceful upgrade), and a reload says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Proxy threads; at least 1.
    pub threads: usize,
    /// Where the proxy itself runs, for strategies that look for near endpoints. May change at a reload.
    pub zone: String,
    pub region: String,
    /// How long SIGTERM waits for requests in flight.
    pub drain_timeout: Duration,
    /// Over which an old process hands its sockets to a new one.
    pub upgrade_socket: PathBuf,
    pub pid_file: Option<PathBuf>,
    /// Idle connections kept to all upstreams together.
    pub upstream_pool_size: usize,
}
