//! `[alerts.channels.<name>]`.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Size, Time};

/// How alerts reach people: a component, and whom it may speak with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertChannel {
    /// A built-in channel's name, such as `slack`; or a component file, ending in `.wasm`, relative to
    /// the configuration file's directory.
    pub plugin: String,
    /// What the plugin is configured with; its own documentation says what it takes.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What the plugin may connect to, and nothing else: `host:port`, `10.0.0.0/8:25`; `*` as the
    /// port is any.
    #[serde(default)]
    pub allow: Vec<String>,
    /// The one file that the plugin may append lines to, relative to the configuration file's directory.
    /// Default: none.
    pub file: Option<PathBuf>,
    /// How long one sending may take.
    #[serde(default = "timeout")]
    pub timeout: Time,
    /// Notifications in any minute; further ones wait. 1 to 10000. Default: no limit.
    pub max_per_minute: Option<u32>,
    /// Memory of one instance of the plugin. Default: that of `[plugins]`.
    pub memory_limit: Option<Size>,
}

fn timeout() -> Time {
    Time(Duration::from_secs(10))
}
