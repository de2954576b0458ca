//! Plugins: their limits, and strategies.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use crate::model::{PluginSource, StrategyName};

/// Limits of every plugin; `Strategy::limits` is what holds for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugins {
    /// Compiled plugins are kept here; `None` compiles at every start.
    pub cache_directory: Option<PathBuf>,
    pub limits: PluginLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// How long one pick may run before it is cut off.
    pub pick_deadline: Duration,
    /// How long `configure`, `set-endpoints` and the like may run.
    pub setup_deadline: Duration,
    /// Linear memory of one instance.
    pub memory_bytes: usize,
    /// A component file larger than this is refused.
    pub file_bytes: u64,
    pub log_lines_per_second: u32,
    /// Failures after which the strategy is tripped: in a row, or with few good calls between them.
    pub trip_after: u32,
    /// Wait before a tripped strategy is probed; doubles up to `probe_after_max`.
    pub probe_after: Duration,
    pub probe_after_max: Duration,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            pick_deadline: Duration::from_millis(10),
            setup_deadline: Duration::from_secs(1),
            memory_bytes: 16 << 20,
            file_bytes: 16 << 20,
            log_lines_per_second: 20,
            trip_after: 5,
            probe_after: Duration::from_secs(1),
            probe_after_max: Duration::from_secs(60),
        }
    }
}

/// A plugin with its configuration: what decides where a service's requests go.
#[derive(Debug, Clone, PartialEq)]
pub struct Strategy {
    pub name: StrategyName,
    pub source: PluginSource,
    /// The `config` table as JSON, for the plugin's `configure`.
    pub config_json: String,
    pub hash_on: HashOn,
    pub limits: PluginLimits,
}

/// What of a request makes its affinity key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashOn {
    None,
    SourceIp,
    Path,
    Header(HeaderName),
    Cookie(String),
    Query(String),
}
