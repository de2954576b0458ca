//! Writing a request down when it has ended: metrics, and the access log.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use pingora_proxy::Session;

use super::context::Inner;
use super::gateway::Shared;
use super::route::Target;
use crate::telemetry::access_line::Entry;
use crate::telemetry::address_text::AddressText;
use crate::telemetry::metrics::StatusClass;
use crate::telemetry::object::Plain;

/// Counts a request that has ended, and logs it.
pub(super) fn observe(shared: &Shared, session: &Session, context: &mut Inner) {
    let status = session.response_written().map_or(0, |response| response.status.as_u16());
    let elapsed = context.begun.elapsed();
    let metrics = match &context.route {
        Some(route) => &route.metrics,
        None => &shared.unrouted,
    };
    metrics.finished(StatusClass::of(status), elapsed.as_secs_f64());
    let bytes_out = session.body_bytes_sent() as u64;
    metrics.moved(context.body_bytes, bytes_out, context.placement.tries());
    let kind = match &context.rejection {
        Some(rejection) => rejection.code(),
        None if status >= 500 => "upstream_5xx",
        None if status == 0 => "client_gone",
        None => "",
    };
    if !kind.is_empty() {
        metrics.erred(kind);
    }
    context.leave();

    let access_log = shared.access_log.load();
    let Some(access_log) = &*access_log else { return };
    let trace_id = context.names.as_ref().map_or(Plain::EMPTY, |names| names.trace_id());
    // A response that broke off has a good status, and is an error all the same.
    if context.rejection.is_none() && !access_log.takes(status, trace_id) {
        return;
    }
    let header = session.req_header();
    let (route, service) = match &context.route {
        Some(route) => match &route.target {
            Target::Service(service) => (route.config.name.as_str(), service.config.name.as_str()),
            Target::Redirect(_) => (route.config.name.as_str(), ""),
        },
        None => ("", ""),
    };
    let upstream =
        context.upstreams.as_ref().zip(context.placement.index()).map(|(upstreams, index)| {
            AddressText::of_socket(upstreams.set.members()[index].address)
        });
    let client_ip = context.client.map(|client| AddressText::of_ip(client.ip));
    let path = header.raw_path();
    let path = str::from_utf8(path).map_or_else(|_| String::from_utf8_lossy(path), Cow::Borrowed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    access_log.write(&Entry {
        unix_ms: (now.saturating_sub(elapsed)).as_millis() as u64,
        request_id: context.names.as_ref().map_or("", |names| names.request_id()),
        trace_id,
        client_ip: client_ip.as_ref().map_or(Plain::EMPTY, AddressText::text),
        method: Plain::new(header.method.as_str().as_bytes()),
        host: super::host::host_of(header),
        path: &path,
        protocol: Plain::new(match header.version {
            http::Version::HTTP_2 => &b"HTTP/2"[..],
            http::Version::HTTP_10 => b"HTTP/1.0",
            _ => b"HTTP/1.1",
        }),
        route,
        service,
        upstream: upstream.as_ref().map_or(Plain::EMPTY, AddressText::text),
        status,
        bytes_in: context.body_bytes,
        bytes_out,
        duration_us: elapsed.as_micros() as u64,
        tries: context.placement.tries(),
        error: Plain::new(
            context.rejection.as_ref().map_or("", |rejection| rejection.code()).as_bytes(),
        ),
        request_headers: &header.headers,
        response_headers: session.response_written().map(|response| &response.headers),
    });
}
