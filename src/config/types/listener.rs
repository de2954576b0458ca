//! Sockets that take requests.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::model::ListenerName;

/// A socket that takes requests. Listeners cannot change while the process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    pub name: ListenerName,
    pub address: SocketAddr,
    /// Cleartext HTTP/2 with prior knowledge beside HTTP/1.1.
    pub h2c: bool,
    pub tls: Option<ListenerTls>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpRange>,
    pub limits: ListenerLimits,
}

/// May change at a reload: a new value holds for the next request on the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// For the whole request header to arrive.
    pub header_timeout: Duration,
    /// For the next piece of a request body.
    pub body_timeout: Duration,
    /// For the client to take the next piece of a response.
    pub write_timeout: Duration,
    /// Between requests on one connection.
    pub keepalive_timeout: Duration,
    /// Requests on one connection before it is closed.
    pub keepalive_requests: u32,
    /// All header lines together.
    pub max_header_bytes: usize,
    pub max_headers: usize,
    pub max_uri_bytes: usize,
    /// Concurrent streams on one HTTP/2 connection.
    pub max_h2_streams: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerTls {
    /// The first is served to clients that name no host or an unknown one.
    pub certificates: Vec<CertificateFiles>,
    /// Offer HTTP/2 by ALPN.
    pub h2: bool,
}

/// PEM files. They are read again when they change, and checked before use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// An address range such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    pub base: IpAddr,
    pub prefix_bits: u8,
}
