//! `[listeners.<name>]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Size, Time};

/// A socket that takes requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// IP address and port, such as `0.0.0.0:8080` or `[::]:8443`.
    pub address: String,
    /// HTTP/2 without TLS, with prior knowledge, beside HTTP/1.1.
    #[serde(default)]
    pub h2c: bool,
    /// Certificates. Default: no TLS.
    pub tls: Option<ListenerTls>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` headers are believed: addresses or ranges,
    /// such as `10.0.0.0/8`.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// For the whole request header to arrive. 1ms to 1h.
    #[serde(default = "header_timeout")]
    pub header_timeout: Time,
    /// For the next piece of a request body. 1ms to 1h.
    #[serde(default = "body_timeout")]
    pub body_timeout: Time,
    /// For the client to take the next piece of a response. 1ms to 1h.
    #[serde(default = "write_timeout")]
    pub write_timeout: Time,
    /// Between requests on one connection. 1ms to 24h.
    #[serde(default = "keepalive_timeout")]
    pub keepalive_timeout: Time,
    /// Requests on one connection before it is closed. From 1.
    #[schemars(range(min = 1, max = u32::MAX))]
    #[serde(default = "keepalive_requests")]
    pub keepalive_requests: u32,
    /// All header lines of a request together. 1KiB to 1MiB.
    #[serde(default = "max_header_bytes")]
    pub max_header_bytes: Size,
    /// Header lines of a request. 1 to 4096.
    #[schemars(range(min = 1, max = 4096))]
    #[serde(default = "max_headers")]
    pub max_headers: u32,
    /// Path and query of a request. 16B to 64KiB.
    #[serde(default = "max_uri_bytes")]
    pub max_uri_bytes: Size,
    /// Concurrent streams on one HTTP/2 connection. 1 to 10000.
    #[schemars(range(min = 1, max = 10000))]
    #[serde(default = "max_h2_streams")]
    pub max_h2_streams: u32,
}

/// TLS on a listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerTls {
    /// At least one; the first serves clients that name no host, or an unknown one. They are read
    /// again when they change, and checked before use.
    pub certificates: Vec<CertificateFiles>,
    /// Offer HTTP/2.
    #[serde(default = "yes")]
    pub h2: bool,
}

/// A certificate with its key: PEM files, relative to the configuration file's directory.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate, followed by its intermediate ones.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

fn header_timeout() -> Time {
    Time::from_secs(10)
}

fn body_timeout() -> Time {
    Time::from_secs(30)
}

fn write_timeout() -> Time {
    Time::from_secs(30)
}

fn keepalive_timeout() -> Time {
    Time::from_secs(60)
}

fn keepalive_requests() -> u32 {
    10_000
}

fn max_header_bytes() -> Size {
    Size(64 << 10)
}

fn max_headers() -> u32 {
    100
}

fn max_uri_bytes() -> Size {
    Size(8 << 10)
}

fn max_h2_streams() -> u32 {
    100
}

fn yes() -> bool {
    true
}
