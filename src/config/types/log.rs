//! What the process and its requests leave in writing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use crate::telemetry::access_line::{Choice, UserId};
pub use crate::telemetry::log::{Destination, Level, SyslogAddress};
pub use crate::telemetry::rotating_file::{Period, Rotation};

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
    pub line: Choice,
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
