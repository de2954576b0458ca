//! What is told to an OpenTelemetry collector.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tracing::level_filters::LevelFilter;

use super::CertificateFiles;

#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// `http://host:port`, perhaps with a path, without a slash at its end.
    pub endpoint: String,
    pub protocol: OtlpProtocol,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For one call.
    pub timeout: Duration,
    /// Traces and log records that may wait, each.
    pub queue: usize,
    pub tls: OtlpTls,
    pub service_name: String,
    pub resource: BTreeMap<String, String>,
    pub traces: Option<OtlpTraces>,
    /// How often the metrics are exported.
    pub metrics: Option<Duration>,
    pub logs: Option<OtlpLogs>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    HttpProtobuf,
    Grpc,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpLogs {
    pub level: LevelFilter,
    /// Requests, too.
    pub access: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OtlpTraces {
    /// 0 to 1.
    pub sample: f64,
    pub plugin_threshold: Duration,
    pub baggage: Vec<String>,
}

/// What may change behind the same configuration: these files are read again at each reload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtlpTls {
    /// To trust instead of the system's.
    pub ca: Option<PathBuf>,
    pub client_certificate: Option<CertificateFiles>,
}
