//! `[[routes]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HeaderEdit, Size, Time};

/// Which requests go where. The most specific route wins: exact host before wildcard before any,
/// exact path before longest prefix before pattern; then the first in order.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// For logs and metrics. Default: the service's name, or `redirect`, with a number from the
    /// second on.
    pub name: Option<String>,
    /// The service that gets the request. Either this or `redirect`.
    pub service: Option<String>,
    /// Answer with a redirect. Either this or `service`.
    pub redirect: Option<Redirect>,
    /// Host names, such as `example.com` or `*.example.com`. Default: any.
    pub hosts: Vec<String>,
    /// The whole path.
    pub path: Option<String>,
    /// The path's beginning, by whole segments: `/api` takes `/api` and `/api/x`, not `/apix`. One of
    /// `path`, `path_prefix`, `path_regex`; default: `/`, any path.
    pub path_prefix: Option<String>,
    /// A regular expression for the whole path.
    pub path_regex: Option<String>,
    /// Methods, such as `GET`. Default: any.
    pub methods: Vec<String>,
    /// Headers, all of which must be as said.
    pub headers: Vec<HeaderMatch>,
    /// What the service sees as the path.
    pub rewrite: Option<Rewrite>,
    /// In place of the service's time-outs.
    pub timeouts: RouteTimeouts,
    /// Changes to the request's headers, after the service's.
    pub request_headers: HeaderEdit,
    /// Changes to the response's headers, after the service's.
    pub response_headers: HeaderEdit,
    /// In place of the service's limit.
    pub max_request_body: Option<Size>,
}

/// A header that must be as said: exactly one of `value`, `regex`, `present`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// The header's name.
    pub name: String,
    /// Its whole value.
    pub value: Option<String>,
    /// A regular expression for its whole value.
    pub regex: Option<String>,
    /// Whether it is there at all.
    pub present: Option<bool>,
}

/// A redirect; what is not given stays as the request has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redirect {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// `"http"` or `"https"`.
    pub scheme: Option<Scheme>,
    /// A host name.
    pub host: Option<String>,
    /// 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// A path; the query stays.
    pub path: Option<String>,
}

/// A redirect's scheme.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

/// What the service sees as the path: `path`, or `prefix`, or `regex` with `replacement`. The query
/// stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rewrite {
    /// The whole path.
    pub path: Option<String>,
    /// What takes the place of the route's `path_prefix`.
    pub prefix: Option<String>,
    /// Every match of this regular expression becomes `replacement`.
    pub regex: Option<String>,
    /// May name the groups of `regex`: `$1`, or `$${name}` (a doubled `$`, as `${..}` is a secret's).
    pub replacement: Option<String>,
}

/// A route's own time-outs. Default: the service's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteTimeouts {
    /// For a connection to be made, TLS included. 1ms to 1h.
    pub connect: Option<Time>,
    /// Between two reads: also the wait for the response's header. 1ms to 24h.
    pub read: Option<Time>,
    /// Between two writes. 1ms to 24h.
    pub write: Option<Time>,
}

impl Default for Redirect {
    fn default() -> Self {
        Self { status: 302, scheme: None, host: None, port: None, path: None }
    }
}
