//! The span of the request as a whole.

use std::time::Instant;

use http::{Method, Version};
use pingora_proxy::Session;

use super::Recording;
use crate::config::PathPattern;
use crate::proxy::context::Inner;
use crate::proxy::host::{host_of, split_port};
use crate::proxy::reject::Rejection;
use crate::proxy::route::Target;
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

impl Recording {
    /// Hands the request's spans over. It has ended.
    #[cold]
    pub(in crate::proxy) fn end(
        mut self: Box<Self>,
        session: &Session,
        context: &Inner,
        scheme: &str,
    ) {
        let status = session.response_written().map(|response| response.status.as_u16());
        let error = context.rejection.as_ref().map(Rejection::code);
        // Without a status, its client has left: the try is not to blame.
        self.end_try(status, error.or(status.is_none().then_some("client_gone")));
        let header = session.req_header();
        let route = context.route.as_ref();
        let (pattern, route_name) = match route.map(|route| &route.config) {
            Some(config) => (pattern(&config.matcher.path), config.name.as_str()),
            None => ("", ""),
        };
        let service = match route.map(|route| &route.target) {
            Some(Target::Service(service)) => service.config.name.as_str(),
            _ => "",
        };
        let names = context.names.as_ref();
        let request_id = names.map(|names| names.request_id());
        let client_ip = context.client.map_or_else(String::new, |client| client.ip.to_string());
        let method = method(&header.method);
        let verb = if method == OTHER { "HTTP" } else { method };
        let name = format!("{verb} {pattern}").trim_end().to_owned();
        let mut span = self.trace.begin(name, Kind::Server, self.own, self.parent, self.begun);
        let (host, port) = split_port(host_of(header));
        span.text("http.request.method", method)
            .text("http.route", pattern)
            .text("url.scheme", scheme)
            .text("url.path", header.uri.path())
            .text("server.address", host)
            .text("client.address", &client_ip)
            .text("network.protocol.version", version(header.version))
            .text("proconsul.route", route_name)
            .text("proconsul.service", service)
            .text("proconsul.request_id", request_id.unwrap_or_default())
            .number("http.request.body.size", context.body_bytes as i64)
            .number("http.response.body.size", session.body_bytes_sent() as i64);
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
        match (status, error) {
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

/// What tells routes apart, and not requests.
fn pattern(path: &PathPattern) -> &str {
    match path {
        PathPattern::Exact(path) | PathPattern::Prefix(path) => path,
        PathPattern::Regex(pattern) => pattern.as_str(),
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}
