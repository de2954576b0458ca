//! `[otlp]`: where the collector is, and what it is told.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use tracing::level_filters::LevelFilter;

use super::check::{Check, HOUR, MILLISECOND};
use super::headers;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{Otlp, OtlpLogs, OtlpProtocol, OtlpTls, OtlpTraces};

const ENDPOINT: &str = "`http://` or `https://`, host and port, such as `http://127.0.0.1:4318`";

pub fn otlp(otlp: schema::Otlp, at: &KeyPath, check: &mut Check<'_>) -> Option<Otlp> {
    let schema::Otlp {
        endpoint,
        protocol,
        headers,
        timeout,
        queue,
        tls,
        service_name,
        resource,
        traces,
        metrics,
        logs,
    } = otlp;
    let protocol = match protocol {
        schema::OtlpProtocol::HttpProtobuf => OtlpProtocol::HttpProtobuf,
        schema::OtlpProtocol::Grpc => OtlpProtocol::Grpc,
    };
    if traces.is_none() && metrics.is_none() && logs.is_none() {
        check.doubt(at, "nothing is exported: it has none of `traces`, `metrics`, `logs`");
    }
    if service_name.is_empty() {
        check.wrong(&at.key("service_name"), "is empty");
    }
    Some(Otlp {
        headers: headers::pairs(&headers, false, &at.key("headers"), check),
        timeout: check.time(
            &at.key("timeout"),
            timeout,
            100 * MILLISECOND,
            Duration::from_secs(60),
        ),
        queue: check.number(&at.key("queue"), queue, 1, 1 << 20) as usize,
        tls: files(tls, &at.key("tls"), check),
        service_name,
        resource: facts(resource, &at.key("resource"), check),
        traces: traces.map(|traces| self::traces(traces, &at.key("traces"), check)),
        metrics: metrics.map(|schema::OtlpMetrics { interval }| {
            let at = at.key("metrics").key("interval");
            check.time(&at, interval, Duration::from_secs(1), HOUR)
        }),
        logs: logs.map(|schema::OtlpLogs { level, access }| OtlpLogs {
            level: self::level(level),
            access,
        }),
        endpoint: self::endpoint(&endpoint, protocol, &at.key("endpoint"), check)?,
        protocol,
    })
}

/// Without the slashes at its end.
fn endpoint(
    text: &str,
    protocol: OtlpProtocol,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<String> {
    let uri: Option<Uri> = text.parse().ok();
    let fits = uri.as_ref().is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && uri.query().is_none()
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    if !fits {
        check.refuse(at, "is no collector", ENDPOINT);
        return None;
    }
    let has_path = uri.is_some_and(|uri| !uri.path().trim_matches('/').is_empty());
    if has_path && protocol == OtlpProtocol::Grpc {
        check.refuse(at, "has a path, which gRPC has not", ENDPOINT);
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn files(tls: schema::OtlpTls, at: &KeyPath, check: &mut Check<'_>) -> OtlpTls {
    let schema::OtlpTls { ca, client_certificate } = tls;
    OtlpTls {
        ca: ca.map(|path| check.file(&at.key("ca"), &path)),
        client_certificate: client_certificate
            .map(|files| check.certificate(&at.key("client_certificate"), &files)),
    }
}

fn facts(
    facts: BTreeMap<String, String>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> BTreeMap<String, String> {
    if facts.contains_key("service.name") {
        check.lacks(&at.key("service.name"), "is said by the key `service_name`");
    }
    if facts.contains_key("") {
        check.lacks(at, "a fact has no name");
    }
    facts
}

fn level(level: schema::OtlpLevel) -> LevelFilter {
    match level {
        schema::OtlpLevel::Off => LevelFilter::OFF,
        schema::OtlpLevel::Error => LevelFilter::ERROR,
        schema::OtlpLevel::Warn => LevelFilter::WARN,
        schema::OtlpLevel::Info => LevelFilter::INFO,
        schema::OtlpLevel::Debug => LevelFilter::DEBUG,
        schema::OtlpLevel::Trace => LevelFilter::TRACE,
    }
}

fn traces(traces: schema::OtlpTraces, at: &KeyPath, check: &mut Check<'_>) -> OtlpTraces {
    let schema::OtlpTraces { sample, plugin_threshold, baggage } = traces;
    if !(0.0..=1.0).contains(&sample) {
        check.refuse(&at.key("sample"), "is out of range", "0 to 1");
    }
    for (i, name) in baggage.iter().enumerate() {
        // A token of RFC 9110, as header names are.
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let allowed = "letters, digits, `-`, `_`, `.`";
            check.refuse(&at.key("baggage").index(i), "is no name", allowed);
        }
    }
    let at_threshold = at.key("plugin_threshold");
    OtlpTraces {
        sample,
        plugin_threshold: check.time(&at_threshold, plugin_threshold, Duration::ZERO, HOUR),
        baggage,
    }
}
