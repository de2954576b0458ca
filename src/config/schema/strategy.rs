//! `[strategies.<name>]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Size, Time};

/// A plugin with its configuration: what decides where a service's requests go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Strategy {
    /// A built-in strategy's name, such as `consistent-hash`; or a component file, ending in
    /// `.wasm`, relative to the configuration file's directory.
    pub plugin: String,
    /// What of a request decides where it goes, for strategies that keep like requests together:
    /// `"source_ip"`, `"path"`, `{ header = ".." }`, `{ cookie = ".." }` or `{ query = ".." }`.
    /// Default: `"source_ip"` for the built-in `ip-hash`, `consistent-hash` and `maglev`, else
    /// nothing.
    pub hash_on: Option<HashOn>,
    /// What the plugin is configured with; its own documentation says what it takes.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Default: that of `[plugins]`; likewise each limit below.
    pub pick_deadline: Option<Time>,
    /// How long this plugin may take to be configured or given its endpoints.
    pub setup_deadline: Option<Time>,
    /// Memory of one instance of this plugin.
    pub memory_limit: Option<Size>,
    /// The largest file that this plugin may have.
    pub file_limit: Option<Size>,
    /// Log lines of this plugin in a second.
    pub log_lines_per_second: Option<u32>,
    /// Failures in a row after which this plugin is no longer asked.
    #[schemars(range(min = 1, max = 1000000))]
    pub trip_after: Option<u32>,
    /// How long this plugin rests, once tripped, before it is tried again.
    pub probe_after: Option<Time>,
    /// The longest such rest.
    pub probe_after_max: Option<Time>,
}

/// What makes a request's affinity key.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// The client's address, as trusted proxies report it.
    SourceIp,
    /// The path, without the query.
    Path,
    /// A request header's value.
    Header(String),
    /// A cookie's value.
    Cookie(String),
    /// A query parameter's value.
    Query(String),
}
