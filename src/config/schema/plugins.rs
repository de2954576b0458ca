//! `[plugins]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Size, Time};
use crate::config::types::PluginLimits;

/// Limits of every plugin; a strategy may have its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// Where compiled plugins are kept; only this user may read it. Default: `proconsul/plugins` in
    /// `$XDG_CACHE_HOME`, else in `~/.cache`. Empty: compile at each start.
    pub cache_directory: Option<String>,
    /// How long one pick may run before it is cut off and the built-in fallback picks. It must
    /// outlast being descheduled. 1ms to 10s.
    pub pick_deadline: Time,
    /// How long a plugin may take to be configured or given its endpoints. 1ms to 60s.
    pub setup_deadline: Time,
    /// Memory of one plugin instance. 64KiB to 4GiB.
    pub memory_limit: Size,
    /// A plugin file larger than this is refused. 1KiB to 1GiB.
    pub file_limit: Size,
    /// Log lines of one plugin in a second; further ones are dropped and counted.
    pub log_lines_per_second: u32,
    /// Failures in a row after which a plugin is no longer asked, and the fallback picks; 64 good
    /// calls make up for one. From 1.
    #[schemars(range(min = 1, max = 1000000))]
    pub trip_after: u32,
    /// How long a tripped plugin rests before it is tried again; doubles with each failed try.
    /// 10ms to 1h.
    pub probe_after: Time,
    /// The longest such rest. 10ms to 24h.
    pub probe_after_max: Time,
}

impl Default for Plugins {
    fn default() -> Self {
        let PluginLimits {
            pick_deadline,
            setup_deadline,
            memory_bytes,
            file_bytes,
            log_lines_per_second,
            trip_after,
            probe_after,
            probe_after_max,
        } = PluginLimits::default();
        Self {
            cache_directory: None,
            pick_deadline: Time(pick_deadline),
            setup_deadline: Time(setup_deadline),
            memory_limit: Size(memory_bytes as u64),
            file_limit: Size(file_bytes),
            log_lines_per_second,
            trip_after,
            probe_after: Time(probe_after),
            probe_after_max: Time(probe_after_max),
        }
    }
}
