//! What the process and its requests leave in writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::HeaderName;

pub use crate::telemetry::log::{Destination, Level, SyslogAddress};
pub use crate::telemetry::rotating_file::Rotation;

/// The writers that `[log]` and `[access_log]` are short for.
pub const OWN_WRITERS: [&str; 2] = ["log", "access_log"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Of writers that say nothing else.
    pub level: Level,
    pub format: LogFormat,
    pub writers: BTreeMap<String, LogWriter>,
}

/// A thread that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogWriter {
    pub destination: Destination,
    /// Whether requests are written here.
    pub access: bool,
    /// Whether what the process says of itself is.
    pub events: bool,
    /// Of events.
    pub level: Option<Level>,
    pub format: Option<LogFormat>,
    /// Of these services only; empty: of all.
    pub services: Vec<String>,
    pub least_status: u16,
    /// Records waiting to be written before further ones are dropped and counted.
    pub queue: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AccessLog {
    pub target: AccessLogTarget,
    /// Lines waiting to be written before further ones are dropped and counted.
    pub queue_lines: usize,
    /// When a file is begun anew; never where there is none.
    pub rotate: Option<Rotation>,
    /// Names of what a line says under `fields`.
    pub fields: Vec<String>,
    pub request_headers: Vec<HeaderName>,
    pub response_headers: Vec<HeaderName>,
    /// Headers whose values are hidden.
    pub mask_headers: Vec<HeaderName>,
    /// Query parameters whose values are hidden.
    pub mask_query: Vec<String>,
    /// The share of requests answered with 2xx that get a line.
    pub sample_2xx: f64,
    /// The request header that names the user.
    pub user_id: Option<HeaderName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogTarget {
    Off,
    Stdout,
    File(PathBuf),
}

impl AccessLogTarget {
    /// The file's path, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Off | Self::Stdout => None,
        }
    }
}
