//! The span of the request as a whole.

use std::net::IpAddr;
use std::time::Instant;

use http::{Method, Version};
use pingora_http::RequestHeader;

use super::Recording;
use crate::config::{self, PathPattern};
use crate::proxy::host::{host_of, split_port};
use crate::telemetry::otlp::Kind;

/// Methods that may stand in a span's name (RFC 9110, and PATCH): who sends others does not make names.
const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::CONNECT,
    Method::OPTIONS,
    Method::TRACE,
    Method::PATCH,
];

/// What others are called.
pub(super) const OTHER: &str = "_OTHER";

/// A method as spans say it.
pub(super) fn method(method: &Method) -> &str {
    if METHODS.contains(method) { method.as_str() } else { OTHER }
}

/// How a request ended.
pub(in crate::proxy) struct Ended<'a> {
    pub header: &'a RequestHeader,
    pub scheme: &'a str,
    pub client: Option<IpAddr>,
    pub route: Option<&'a config::Route>,
    /// Of the service; empty when the proxy answered.
    pub service: &'a str,
    pub request_id: &'a str,
    /// 0 when nothing was answered.
    pub status: u16,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Why the proxy answered by itself, or broke off.
    pub error: Option<&'a str>,
}

impl Recording {
    /// Hands the request's spans over. It has ended.
    pub(in crate::proxy) fn end(mut self: Box<Self>, ended: &Ended<'_>) {
        let status = (ended.status > 0).then_some(ended.status);
        // Without a status, its client has left: the try is not to blame.
        self.end_try(status, ended.error.or(status.is_none().then_some("client_gone")));
        let Ended { header, scheme, client, route, service, request_id, .. } = ended;
        let method = method(&header.method);
        let pattern = route.map_or("", |route| match &route.matcher.path {
            PathPattern::Exact(path) | PathPattern::Prefix(path) => path.as_str(),
            PathPattern::Regex(pattern) => pattern.as_str(),
        });
        let verb = if method == OTHER { "HTTP" } else { method };
        let name = format!("{verb} {pattern}").trim_end().to_owned();
        let mut span = self.trace.begin(name, Kind::Server, self.own, self.parent, self.begun);
        let (host, port) = split_port(host_of(header));
        span.text("http.request.method", method)
            .text("http.route", pattern)
            .text("url.scheme", scheme)
            .text("url.path", header.uri.path())
            .text("server.address", host)
            .text("client.address", &client.map_or_else(String::new, |ip| ip.to_string()))
            .text("network.protocol.version", version(header.version))
            .text("proconsul.route", route.map_or("", |route| route.name.as_str()))
            .text("proconsul.service", service)
            .text("proconsul.request_id", request_id)
            .number("http.request.body.size", ended.bytes_in as i64)
            .number("http.response.body.size", ended.bytes_out as i64);
        if method == OTHER {
            span.text("http.request.method_original", header.method.as_str());
        }
        if let Some(port) = port.and_then(|port| port.parse::<u16>().ok()) {
            span.number("server.port", i64::from(port));
        }
        let agent = header.headers.get(http::header::USER_AGENT).and_then(|a| a.to_str().ok());
        span.text("user_agent.original", agent.unwrap_or_default());
        for (key, value) in &self.baggage {
            span.text(&format!("baggage.{key}"), value);
        }
        if let Some(status) = status {
            span.number("http.response.status_code", i64::from(status));
        }
        // What the client did wrong is no failure of the server (status 4xx).
        match (status, ended.error) {
            (Some(500..) | None, Some(error)) => _ = span.failed(error),
            (Some(status @ 500..), None) => _ = span.failed(&status.to_string()),
            (_, Some(error)) => _ = span.text("error.type", error),
            (_, None) => {}
        }
        let mut spans = std::mem::take(&mut self.spans);
        spans.push(span.end(&self.trace.clock, Instant::now()));
        self.tracer.take(spans);
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
