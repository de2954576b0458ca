//! `[services.<name>]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CertificateFiles, HeaderEdit, ServiceHealth, Size, Time};

/// What requests are forwarded to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// A name from `[strategies]`, or a built-in strategy's.
    pub strategy: String,
    /// The places that a request can go to.
    pub endpoints: Vec<Endpoint>,
    /// Which registered instances are endpoints too. Default: those of the same name.
    pub registered: Registered,
    /// What each instance is asked to learn whether it is well: names from `[checks]`.
    pub checks: Vec<String>,
    /// What is done about instances that are not well.
    pub health: ServiceHealth,
    /// How endpoints are spoken to: `"http1"`; `"http2"` (without TLS: with prior knowledge);
    /// `"auto"` (with TLS: what both sides can, without: HTTP/1.1).
    pub protocol: Protocol,
    /// TLS to the endpoints; an empty table switches it on. Default: none.
    pub tls: Option<UpstreamTls>,
    /// How long to wait for an endpoint.
    pub timeouts: Timeouts,
    /// Changes to the request's headers.
    pub request_headers: HeaderEdit,
    /// Changes to the response's headers.
    pub response_headers: HeaderEdit,
    /// A request body larger than this is refused with 413. Default: no limit.
    pub max_request_body: Option<Size>,
    /// Endpoints tried in all where a connection cannot be made. 1 to 16.
    #[schemars(range(min = 1, max = 16))]
    pub connect_tries: u32,
    /// Concurrent streams on one HTTP/2 connection to an endpoint. 1 to 10000.
    #[schemars(range(min = 1, max = 10000))]
    pub max_h2_streams: u32,
}

/// One place that a request can go to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Host and port, such as `127.0.0.1:9001`, `[::1]:9001` or `web.internal:80`. A name is
    /// resolved again as its DNS record ages.
    pub address: String,
    /// What state is kept by across reloads. Default: the address.
    pub id: Option<String>,
    /// Share of the traffic, 0 to 65535; 0 takes no requests.
    #[serde(default = "weight")]
    pub weight: u16,
    /// The zone it is in.
    #[serde(default)]
    pub zone: String,
    /// The region it is in.
    #[serde(default)]
    pub region: String,
    /// Free facts for strategies and people.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Which instances of the registry a service takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registered {
    /// Whether it takes any.
    pub enabled: bool,
    /// The namespace that they register in.
    pub namespace: String,
    /// The service that they register as. Default: this service's name.
    pub service: Option<String>,
    /// Only those with such a version: `^1.2`, `>=1, <2`. Default: all.
    pub version: Option<String>,
    /// Only those with all of these tags.
    pub tags: Vec<String>,
}

impl Default for Registered {
    fn default() -> Self {
        Self {
            enabled: true,
            namespace: "default".to_owned(),
            service: None,
            version: None,
            tags: Vec::new(),
        }
    }
}

/// What is spoken to endpoints.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 only.
    Http2,
    /// With TLS: HTTP/2 where the endpoint offers it. Without: HTTP/1.1.
    Auto,
}

/// TLS to endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// The name that the certificate must have. Default: the endpoint's host.
    pub server_name: Option<String>,
    /// Whether the certificate is checked.
    pub verify: bool,
    /// PEM bundle to trust instead of the system's, relative to the configuration file's
    /// directory.
    pub ca: Option<String>,
    /// What the proxy shows of itself. Default: none.
    pub client_certificate: Option<CertificateFiles>,
}

/// Time-outs towards endpoints.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection to be made, TLS included. 1ms to 1h.
    pub connect: Time,
    /// Between two reads: also the wait for the response's header. 1ms to 24h.
    pub read: Time,
    /// Between two writes. 1ms to 24h.
    pub write: Time,
    /// An unused connection is closed after this. 1ms to 24h.
    pub idle: Time,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            strategy: "round-robin".to_owned(),
            endpoints: Vec::new(),
            registered: Registered::default(),
            checks: Vec::new(),
            health: ServiceHealth::default(),
            protocol: Protocol::Auto,
            tls: None,
            timeouts: Timeouts::default(),
            request_headers: HeaderEdit::default(),
            response_headers: HeaderEdit::default(),
            max_request_body: None,
            connect_tries: 3,
            max_h2_streams: 100,
        }
    }
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { server_name: None, verify: true, ca: None, client_certificate: None }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let minute = Time::from_secs(60);
        Self { connect: Time::from_secs(2), read: minute, write: minute, idle: minute }
    }
}

fn weight() -> u16 {
    1
}
