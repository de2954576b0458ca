//! `[checks.<name>]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HealthStatus, Size, Time};

/// A health check: exactly one of `http`, `tcp`, `grpc`, `response_time`, `resources` and
/// `plugin`, and when it runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A request that is to be answered well.
    pub http: Option<HttpCheck>,
    /// A connection that is to be made, and bytes that are to come.
    pub tcp: Option<TcpCheck>,
    /// `grpc.health.v1.Health/Check`.
    pub grpc: Option<GrpcCheck>,
    /// The proxy's own moving average of the response time; nothing is sent.
    pub response_time: Option<ResponseTimeCheck>,
    /// What instances report of their resources; nothing is sent.
    pub resources: Option<ResourceCheck>,
    /// A built-in check's name, such as `redis-ping`; or a component file, ending in `.wasm`,
    /// relative to the configuration file's directory.
    pub plugin: Option<String>,
    /// What the plugin is configured with; its own documentation says what it takes.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What the plugin may connect to beside the instance that it checks: `host:port`, `10.0.0.0/8:6379`;
    /// `*` as the port is any.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Whether the plugin is instantiated anew for each check.
    #[serde(default)]
    pub fresh: bool,
    /// Memory of one instance of the plugin. Default: that of `[plugins]`.
    pub memory_limit: Option<Size>,
    /// Default: that of `[health]`; likewise each key below.
    pub interval: Option<Time>,
    /// By how much an interval is longer or shorter at random, in percent.
    #[schemars(range(min = 0, max = 50))]
    pub jitter_percent: Option<u32>,
    /// The interval while results differ from what is believed.
    pub interval_changing: Option<Time>,
    /// The interval while an instance is critical.
    pub interval_down: Option<Time>,
    /// How long an answer may take.
    pub timeout: Option<Time>,
    /// Good results in a row that make a critical instance pass.
    #[schemars(range(min = 1, max = 100))]
    pub rise: Option<u32>,
    /// Bad results in a row that make a passing instance critical.
    #[schemars(range(min = 1, max = 100))]
    pub fall: Option<u32>,
    /// What is believed before the first result.
    pub initial: Option<HealthStatus>,
}

/// A request that is to be answered well.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheck {
    /// The method.
    pub method: String,
    /// The path, with the query if there is to be one.
    pub path: String,
    /// The `Host` header. Default: the instance's host.
    pub host: Option<String>,
    /// Headers to send.
    pub headers: BTreeMap<String, String>,
    /// Statuses that are well, such as `"204"` or `"200-299"`.
    pub statuses: Vec<String>,
    /// A text that must be in the body's first 64 KiB.
    pub body_contains: Option<String>,
    /// A regular expression that must match there.
    pub body_matches: Option<String>,
    /// Another port than the instance's.
    pub port: Option<u16>,
    /// TLS; an empty table switches it on. Default: none.
    pub tls: Option<CheckTls>,
    /// A slower answer is a warning.
    pub degraded_above: Option<Time>,
}

/// TLS of a check.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CheckTls {
    /// The name that the certificate must have. Default: the instance's host.
    pub server_name: Option<String>,
    /// Whether the certificate is checked, by the system's authorities.
    pub verify: bool,
}

/// A connection that is to be made, and bytes that are to come.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TcpCheck {
    /// What is sent first.
    pub send: String,
    /// What must be in what comes back.
    pub expect: String,
    /// Another port than the instance's.
    pub port: Option<u16>,
    /// A slower answer is a warning.
    pub degraded_above: Option<Time>,
}

/// The gRPC health protocol.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcCheck {
    /// The service that is asked for; empty = the server as a whole.
    pub service: String,
    /// Another port than the instance's.
    pub port: Option<u16>,
    /// TLS; an empty table switches it on. Default: none.
    pub tls: Option<CheckTls>,
    /// A slower answer is a warning.
    pub degraded_above: Option<Time>,
}

/// The proxy's own moving average of the response time.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseTimeCheck {
    /// Above this is a warning.
    pub warning_above: Time,
    /// Above this is critical. Default: never.
    pub critical_above: Option<Time>,
}

/// What instances report of their resources, as shares from 0 to 1.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceCheck {
    /// CPU above this share is too much.
    pub cpu: f64,
    /// Memory above this share is too much.
    pub memory: f64,
    /// Disk above this share is too much.
    pub disk: f64,
    /// What to say of an instance that uses too much.
    pub above: HealthStatus,
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            host: None,
            headers: BTreeMap::new(),
            statuses: vec!["200-299".to_owned()],
            body_contains: None,
            body_matches: None,
            port: None,
            tls: None,
            degraded_above: None,
        }
    }
}

impl Default for CheckTls {
    fn default() -> Self {
        Self { server_name: None, verify: true }
    }
}

impl Default for ResourceCheck {
    fn default() -> Self {
        Self { cpu: 0.9, memory: 0.9, disk: 0.9, above: HealthStatus::Warning }
    }
}
