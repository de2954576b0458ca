//! Services: who takes their requests, and how those are spoken to.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use semver::VersionReq;

use super::{CertificateFiles, HeaderEdits, Health};
use crate::model::{Check, Endpoint, Namespace, ServiceName, StrategyName, Tag};

#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    pub name: ServiceName,
    pub strategy: StrategyName,
    pub endpoints: Vec<Endpoint>,
    /// Which registered instances are endpoints too.
    pub registered: Registered,
    /// What each of its instances is asked.
    pub checks: Vec<Arc<Check>>,
    pub health: Health,
    pub upstream: Upstream,
    pub timeouts: Timeouts,
    pub headers: HeaderEdits,
    /// `None` = no limit.
    pub max_request_body_bytes: Option<u64>,
    /// Endpoints tried in all when a connection cannot be made.
    pub connect_tries: u32,
}

/// Which instances of the registry a service takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// `false` = none but its own endpoints.
    pub enabled: bool,
    pub namespace: Namespace,
    /// The registry's name of the service; its own by default.
    pub service: ServiceName,
    /// Only those whose version matches; `None` = all, those without a version too.
    pub version: Option<VersionReq>,
    /// Only those that have all of these.
    pub tags: BTreeSet<Tag>,
}

/// How a service's endpoints are spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub protocol: UpstreamProtocol,
    pub tls: Option<UpstreamTls>,
    /// Concurrent streams on one HTTP/2 connection.
    pub max_h2_streams: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    Http1,
    /// HTTP/2 only: by ALPN over TLS, with prior knowledge in cleartext.
    Http2,
    /// Over TLS: whichever ALPN agrees on. In cleartext: HTTP/1.1.
    Auto,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Sent as SNI and checked against the certificate; the endpoint's host where `None`.
    pub server_name: Option<String>,
    pub verify: bool,
    /// PEM bundle to trust instead of the system's.
    pub ca: Option<PathBuf>,
    pub client_certificate: Option<CertificateFiles>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP (and TLS) connection.
    pub connect: Duration,
    /// Between two reads from the upstream: also the wait for its response header.
    pub read: Duration,
    /// Between two writes to the upstream.
    pub write: Duration,
    /// An unused upstream connection is closed after this.
    pub idle: Duration,
}

/// A route's own time-outs; what is `None` is the service's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteTimeouts {
    pub connect: Option<Duration>,
    pub read: Option<Duration>,
    pub write: Option<Duration>,
}
