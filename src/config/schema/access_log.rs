//! `[access_log]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The access log: JSON lines, written without ever holding up a request.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// `"off"`, `"stdout"`, or `{ file = "/var/log/proconsul/access.log" }`.
    pub target: AccessLogTarget,
    /// Lines that may wait to be written; further ones are dropped and counted. 1 to 1048576.
    #[schemars(range(min = 1, max = 1048576))]
    pub queue_lines: u32,
}

/// Where the lines go.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessLogTarget {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to; relative to the configuration file's directory.
    File(String),
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { target: AccessLogTarget::Off, queue_lines: 8192 }
    }
}
