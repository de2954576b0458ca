//! `[otlp]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CertificateFiles, Time};

/// Telemetry for an OpenTelemetry collector. Each signal is exported that has a table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector: `http://` or `https://`, host and port. Over HTTP, a path may follow, to which
    /// `/v1/traces` and its like are added.
    pub endpoint: String,
    /// How it is spoken to. Collectors listen for HTTP at 4318, and for gRPC at 4317.
    #[serde(default = "protocol")]
    pub protocol: OtlpProtocol,
    /// Headers of each call, such as a token.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// For one call; it is tried again. 100ms to 1m.
    #[serde(default = "timeout")]
    pub timeout: Time,
    /// Traces that may wait, and log records; further ones are dropped and counted. 1 to 1048576.
    #[serde(default = "queue")]
    #[schemars(range(min = 1, max = 1048576))]
    pub queue: u32,
    /// For `https://`.
    #[serde(default)]
    pub tls: OtlpTls,
    /// What this proxy is called.
    #[serde(default = "service_name")]
    pub service_name: String,
    /// Further facts of this process, such as `deployment.environment.name`.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// Requests' spans. Default: not exported.
    pub traces: Option<OtlpTraces>,
    /// What `/metrics` says, too. Default: not exported.
    pub metrics: Option<OtlpMetrics>,
    /// Log records. Default: not exported.
    pub logs: Option<OtlpLogs>,
}

/// Which log records are exported.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpLogs {
    /// Of what `[log]` lets through, what is so important.
    pub level: OtlpLevel,
    /// Whether requests are exported as well: with the fields and masks of `[access_log]`, whatever its target.
    pub access: bool,
}

/// How important a record is.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtlpLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Default for OtlpLogs {
    fn default() -> Self {
        Self { level: OtlpLevel::Info, access: false }
    }
}

/// When the metrics are exported.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpMetrics {
    /// How often. 1s to 1h.
    pub interval: Time,
}

impl Default for OtlpMetrics {
    fn default() -> Self {
        Self { interval: Time::from_secs(60) }
    }
}

/// How the collector is spoken to.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum OtlpProtocol {
    /// HTTP with protobuf bodies.
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

/// Whom to trust, and what to show.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpTls {
    /// PEM bundle to trust instead of the system's, relative to the configuration file's directory.
    pub ca: Option<String>,
    /// What the proxy shows of itself. Default: none.
    pub client_certificate: Option<CertificateFiles>,
}

/// Which requests are traced, and how much of them. A caller's decision in `traceparent` holds, whatever the share.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpTraces {
    /// The share of traces that begin here which is taken, by the trace's id. 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub sample: f64,
    /// A call of a plugin that takes so long has a span of its own. 0s to 1h.
    pub plugin_threshold: Time,
    /// Members of the header `baggage` that become attributes `baggage.NAME`.
    pub baggage: Vec<String>,
}

impl Default for OtlpTraces {
    fn default() -> Self {
        Self {
            sample: 0.01,
            plugin_threshold: Time(std::time::Duration::from_millis(1)),
            baggage: Vec::new(),
        }
    }
}

fn protocol() -> OtlpProtocol {
    OtlpProtocol::HttpProtobuf
}

fn timeout() -> Time {
    Time::from_secs(10)
}

fn queue() -> u32 {
    4096
}

fn service_name() -> String {
    "proconsul".to_owned()
}
