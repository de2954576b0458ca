//! What is asked of an instance to learn whether it is well, and how often.

use std::time::Duration;

use super::{CheckName, HealthStatus, PluginSource};

/// One check of each instance of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: CheckName,
    pub kind: CheckKind,
    pub schedule: Schedule,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    Http(HttpCheck),
    Tcp(TcpCheck),
    Grpc(GrpcCheck),
    /// The proxy's own moving average of the response time: nothing is sent.
    ResponseTime(ResponseTimeCheck),
    /// What the instance says of its resources: nothing is sent.
    Resources(ResourceCheck),
    /// A component judges.
    Plugin(PluginCheck),
}

/// `GET /` by default; passes with a status that is expected and a body that is.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpCheck {
    pub method: String,
    pub path: String,
    /// The `Host` header; `None` = the instance's host.
    pub host: Option<String>,
    pub headers: Vec<(String, String)>,
    /// Inclusive ranges.
    pub statuses: Vec<(u16, u16)>,
    /// Must be in the body's first 64 KiB.
    pub body_contains: Option<String>,
    /// A regular expression that must match there.
    pub body_matches: Option<String>,
    /// Another port than the instance's.
    pub port: Option<u16>,
    pub tls: Option<CheckTls>,
    /// Slower answers are a warning.
    pub degraded_above: Option<Duration>,
}

/// How a check speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTls {
    /// The name that the certificate must have; `None` = the instance's host.
    pub server_name: Option<String>,
    /// Whether the certificate is checked, against the system's authorities.
    pub verify: bool,
}

/// Passes when a connection is made and, where bytes are expected, those come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    pub port: Option<u16>,
    pub send: Vec<u8>,
    /// Must be in what comes back.
    pub expect: Vec<u8>,
    pub degraded_above: Option<Duration>,
}

/// `grpc.health.v1.Health/Check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCheck {
    /// The service that is asked for; empty = the server as a whole.
    pub service: String,
    pub port: Option<u16>,
    pub tls: Option<CheckTls>,
    pub degraded_above: Option<Duration>,
}

/// Degraded above a threshold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseTimeCheck {
    /// A warning above this.
    pub warning_above: Duration,
    /// Critical above this; `None` = never.
    pub critical_above: Option<Duration>,
}

/// A warning above these shares (0.9 by default).
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceCheck {
    pub cpu: f32,
    pub memory: f32,
    pub disk: f32,
    /// What to say of an instance above its limit.
    pub above: HealthStatus,
}

/// A component's check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PluginCheck {
    pub source: PluginSource,
    /// The `config` table as JSON.
    pub config_json: String,
    /// Reachable beside the instance under check: `host:port`, or `address/bits:port`.
    pub allow: Vec<AllowedPeer>,
    /// A fresh instance for each check, else one is used again while it answers well.
    pub fresh: bool,
    /// Linear memory of one instance.
    pub memory_bytes: usize,
}

/// Somewhere that a component may connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AllowedPeer {
    /// Addresses as `base/bits`, or a name that is resolved.
    pub host: AllowedHost,
    /// `None` = any.
    pub port: Option<u16>,
}

/// The host part of an [`AllowedPeer`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AllowedHost {
    Range { base: std::net::IpAddr, prefix_bits: u8 },
    Name(String),
}

impl CheckKind {
    /// The word in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            CheckKind::Http(_) => "http",
            CheckKind::Tcp(_) => "tcp",
            CheckKind::Grpc(_) => "grpc",
            CheckKind::ResponseTime(_) => "response-time",
            CheckKind::Resources(_) => "resources",
            CheckKind::Plugin(_) => "plugin",
        }
    }

    /// Whether the instance itself is asked.
    pub fn is_active(&self) -> bool {
        !matches!(self, CheckKind::ResponseTime(_) | CheckKind::Resources(_))
    }
}

/// When a check runs, and what it takes to believe it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Between the beginnings of two checks.
    pub interval: Duration,
    /// Each interval is longer or shorter by at most this share of it, 0 to 0.5.
    pub jitter: f32,
    /// While results disagree with what is believed.
    pub interval_changing: Duration,
    /// While the instance is critical and stays so.
    pub interval_down: Duration,
    pub timeout: Duration,
    /// Good results in a row that make a critical instance pass.
    pub rise: u32,
    /// Bad results in a row that make a passing instance critical.
    pub fall: u32,
    /// What is believed before the first result.
    pub initial: HealthStatus,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            jitter: 0.1,
            interval_changing: Duration::from_secs(1),
            interval_down: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            initial: HealthStatus::Passing,
        }
    }
}
