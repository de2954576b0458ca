//! `[log]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The process's own log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; also by module, such as
    /// `info,proconsul::plugin=debug`.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}
