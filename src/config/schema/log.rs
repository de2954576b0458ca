//! `[log]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rotate;

/// What the process leaves in writing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; also by module, such as
    /// `info,proconsul::plugin=debug`.
    pub level: String,
    /// For people or for machines.
    pub format: LogFormat,
    /// Who writes, by name. Default: one, of events, on stderr. Level and format above hold for writers that say
    /// nothing else.
    pub writers: BTreeMap<String, LogWriter>,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people; in colours on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// A writer: a thread with a queue before it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogWriter {
    /// `stdout`, `stderr`, `file` or `syslog`.
    pub to: LogTarget,
    /// Of the file, which is appended to; relative to the configuration file's directory. Only with `to = "file"`.
    pub path: Option<String>,
    /// Begins the file anew when it grows too large. Default: never, as logrotate wants it.
    pub rotate: Option<Rotate>,
    /// Of the server: `unix:/dev/log`, `udp://host:514` or `tcp://host:601`. Only with `to = "syslog"`. Default:
    /// `unix:/dev/log`.
    pub address: Option<String>,
    /// What syslog files it under: `daemon`, `local0` to `local7`, and so on. Likewise. Default: `daemon`.
    pub facility: Option<String>,
    /// `events`: what the process says of itself. `access`: a line for each request, as `[access_log]` has it.
    #[serde(default = "records")]
    pub records: Vec<LogRecords>,
    /// Of events. Default: that of `[log]`.
    pub level: Option<String>,
    /// Default: that of `[log]`.
    pub format: Option<LogFormat>,
    /// Only access lines of these services. Default: of all, and of what reached none.
    #[serde(default)]
    pub services: Vec<String>,
    /// Only access lines of answers with at least this status. 0 to 599.
    #[serde(default)]
    #[schemars(range(min = 0, max = 599))]
    pub least_status: u32,
    /// Records that may wait to be written; further ones are dropped and counted. 1 to 1048576.
    #[serde(default = "queue")]
    #[schemars(range(min = 1, max = 1048576))]
    pub queue: u32,
}

/// Where a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The file at `path`.
    File,
    /// A syslog server at `address`, as RFC 5424 has it.
    Syslog,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogRecords {
    /// Requests.
    Access,
    /// What the process says of itself.
    Events,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text, writers: BTreeMap::new() }
    }
}

fn records() -> Vec<LogRecords> {
    vec![LogRecords::Events]
}

fn queue() -> u32 {
    8192
}
