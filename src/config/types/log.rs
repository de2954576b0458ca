//! What the process and its requests leave in writing.

use std::path::PathBuf;

use http::HeaderName;

pub use crate::telemetry::rotating_file::Rotation;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter, such as `info` or `proconsul=debug,warn`.
    pub level: String,
    pub format: LogFormat,
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
