//! A check, as a registration describes it. Components are not named here: what runs in the proxy is for
//! its configuration to say, and a registration may use a check of `[checks]` by its name.

use std::collections::BTreeMap;
use std::time::Duration;

use regex::RegexBuilder;
use serde::Deserialize;
use utoipa::ToSchema;

use super::convert::{text, time};
use super::words::HealthWord;
use crate::admin::input::{At, MAX_CHECK_HEADERS, MAX_CHECK_TEXT_BYTES, MAX_CHECKS, Mistakes};
use crate::admin::v1::Checks;
use crate::config::Time;
use crate::model::{
    Check, CheckKind, CheckName, CheckTls, GrpcCheck, HealthStatus, HttpCheck, ResourceCheck,
    ResponseTimeCheck, Schedule, TcpCheck,
};

/// A compiled pattern larger than this is refused.
const MAX_REGEX_BYTES: usize = 1 << 20;
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 3600);
const MIN_TIMEOUT: Duration = Duration::from_millis(1);
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// Results in a row that decide.
const MAX_STREAK: u32 = 100;
/// Share of an interval.
const MAX_JITTER: f32 = 0.5;
/// What a check over HTTP takes for well, if nobody says otherwise.
const GOOD_STATUSES: (u16, u16) = (200, 299);
/// Above this share a resource is scarce, if nobody says otherwise.
const SCARCE: f32 = 0.9;

/// What is asked of an instance to learn whether it is well. Exactly one of `http`, `tcp`, `grpc`,
/// `response_time` and `resources`; or none, and the name is that of a check in the proxy's configuration.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckBody {
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    pub http: Option<HttpBody>,
    pub tcp: Option<TcpBody>,
    pub grpc: Option<GrpcBody>,
    pub response_time: Option<ResponseTimeBody>,
    pub resources: Option<ResourcesBody>,
    /// Only to say why not.
    #[schema(ignore)]
    pub plugin: Option<serde_json::Value>,
    /// Between the beginnings of two checks; 10s if absent.
    #[schema(value_type = Option<String>)]
    pub interval: Option<Time>,
    /// Share of the interval by which it varies, 0 to 0.5.
    pub jitter: Option<f32>,
    /// While results disagree with what is believed; 1s if absent.
    #[schema(value_type = Option<String>)]
    pub interval_changing: Option<Time>,
    /// While the instance is critical and stays so; 10s if absent.
    #[schema(value_type = Option<String>)]
    pub interval_down: Option<Time>,
    /// 2s if absent.
    #[schema(value_type = Option<String>)]
    pub timeout: Option<Time>,
    /// Good results in a row that make a critical instance pass; 2 if absent.
    pub rise: Option<u32>,
    /// Bad results in a row that make a passing instance critical; 3 if absent.
    pub fall: Option<u32>,
    /// What is believed before the first result; `passing` if absent.
    pub initial: Option<HealthWord>,
}

/// Asks over HTTP.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpBody {
    pub method: Option<String>,
    pub path: Option<String>,
    /// The `Host` header; that of the instance if absent.
    pub host: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `200`, or `200-299`; 200 to 299 if absent.
    #[serde(default)]
    pub statuses: Vec<String>,
    /// Must be in the body's first 64 KiB.
    pub body_contains: Option<String>,
    /// A regular expression that must match there.
    pub body_matches: Option<String>,
    /// Another port than the instance's.
    pub port: Option<u16>,
    pub tls: Option<TlsBody>,
    /// Slower answers are a warning.
    #[schema(value_type = Option<String>)]
    pub degraded_above: Option<Time>,
}

/// Makes a connection, sends, and waits for an answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpBody {
    pub port: Option<u16>,
    #[serde(default)]
    pub send: String,
    /// Must be in what comes back.
    #[serde(default)]
    pub expect: String,
    #[schema(value_type = Option<String>)]
    pub degraded_above: Option<Time>,
}

/// Asks by `grpc.health.v1.Health/Check`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrpcBody {
    /// The service that is asked for; empty = the server as a whole.
    #[serde(default)]
    pub service: String,
    pub port: Option<u16>,
    pub tls: Option<TlsBody>,
    #[schema(value_type = Option<String>)]
    pub degraded_above: Option<Time>,
}

/// How a check speaks TLS.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsBody {
    /// The name that the certificate must have; the instance's host if absent.
    pub server_name: Option<String>,
    /// Whether the certificate is checked; it is if absent.
    pub verify: Option<bool>,
}

/// Looks at the response times of real traffic.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResponseTimeBody {
    #[schema(value_type = String)]
    pub warning_above: Time,
    #[schema(value_type = Option<String>)]
    pub critical_above: Option<Time>,
}

/// Looks at what the instance says of its resources: shares from 0 to 1, each 0.9 if absent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourcesBody {
    pub cpu: Option<f32>,
    pub memory: Option<f32>,
    pub disk: Option<f32>,
    /// What to say of an instance above its limit; `warning` if absent.
    pub above: Option<HealthWord>,
}

/// A registration's checks.
pub(super) fn checks(
    written: Vec<CheckBody>,
    known: &Checks,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<Vec<Check>> {
    if written.len() > MAX_CHECKS {
        mistakes.add(at, format!("has {} checks; allowed are {MAX_CHECKS}", written.len()));
        return None;
    }
    let mut names = std::collections::BTreeSet::new();
    let each = written.into_iter().enumerate().map(|(index, body)| {
        let at = at.index(index);
        if !names.insert(body.name.clone()) {
            mistakes.add(&at.key("name"), "is the name of two checks");
        }
        check(body, known, &at, mistakes)
    });
    each.collect::<Vec<_>>().into_iter().collect()
}

fn check(body: CheckBody, known: &Checks, at: &At<'_>, mistakes: &mut Mistakes) -> Option<Check> {
    let name = mistakes.take(&at.key("name"), CheckName::new(&body.name));
    if body.plugin.is_some() {
        let why = "is not for a registration to say: which components run in the proxy, its configuration \
                   says; name one of its `[checks]`, with `name` alone";
        mistakes.add(&at.key("plugin"), why);
        return None;
    }
    let CheckBody { name: _, http, tcp, grpc, response_time, resources, .. } = &body;
    let kinds = [
        http.is_some(),
        tcp.is_some(),
        grpc.is_some(),
        response_time.is_some(),
        resources.is_some(),
    ];
    let kinds = kinds.into_iter().filter(|there| *there).count();
    if kinds > 1 {
        mistakes.add(
            at,
            "is of several kinds; allowed is one of http, tcp, grpc, response_time, resources",
        );
        return None;
    }
    let schedule = schedule(&body, at, mistakes);
    let CheckBody { http, tcp, grpc, response_time, resources, .. } = body;
    let kind = if let Some(body) = http {
        http_kind(body, &at.key("http"), mistakes)
    } else if let Some(body) = tcp {
        tcp_kind(body, &at.key("tcp"), mistakes)
    } else if let Some(body) = grpc {
        grpc_kind(body, &at.key("grpc"), mistakes)
    } else if let Some(ResponseTimeBody { warning_above, critical_above }) = response_time {
        let critical_above = critical_above.map(|time| time.0);
        Some(CheckKind::ResponseTime(ResponseTimeCheck {
            warning_above: warning_above.0,
            critical_above,
        }))
    } else if let Some(body) = resources {
        resources_kind(body, &at.key("resources"), mistakes)
    } else {
        let named = known.get(&name?);
        if named.is_none() {
            mistakes.add(at, "has no kind, and the configuration has no check of its name");
        }
        return named.map(|check| Check::clone(check));
    };
    Some(Check { name: name?, kind: kind?, schedule: schedule? })
}

fn schedule(body: &CheckBody, at: &At<'_>, mistakes: &mut Mistakes) -> Option<Schedule> {
    let usual = Schedule::default();
    let mut of = |written: Option<Time>, usual, min, max, key| match written {
        None => Some(usual),
        Some(written) => time(written, min, max, &at.key(key), mistakes),
    };
    let interval = of(body.interval, usual.interval, MIN_INTERVAL, MAX_INTERVAL, "interval");
    let changing = body.interval_changing;
    let changing =
        of(changing, usual.interval_changing, MIN_INTERVAL, MAX_INTERVAL, "interval_changing");
    let down =
        of(body.interval_down, usual.interval_down, MIN_INTERVAL, MAX_INTERVAL, "interval_down");
    let timeout = of(body.timeout, usual.timeout, MIN_TIMEOUT, MAX_TIMEOUT, "timeout");
    let jitter = body.jitter.unwrap_or(usual.jitter);
    if !(0.0..=MAX_JITTER).contains(&jitter) {
        mistakes.add(&at.key("jitter"), format!("will not do; allowed are 0 to {MAX_JITTER}"));
    }
    let mut streak = |written: Option<u32>, usual, key| match written {
        None => usual,
        Some(count @ 1..=MAX_STREAK) => count,
        Some(_) => {
            mistakes.add(&at.key(key), format!("will not do; allowed are 1 to {MAX_STREAK}"));
            usual
        }
    };
    let rise = streak(body.rise, usual.rise, "rise");
    let fall = streak(body.fall, usual.fall, "fall");
    Some(Schedule {
        interval: interval?,
        jitter,
        interval_changing: changing?,
        interval_down: down?,
        timeout: timeout?,
        rise,
        fall,
        initial: body.initial.map_or(usual.initial, HealthStatus::from),
    })
}

fn http_kind(body: HttpBody, at: &At<'_>, mistakes: &mut Mistakes) -> Option<CheckKind> {
    let method = body.method.unwrap_or_else(|| "GET".to_owned());
    let method = mistakes.take(&at.key("method"), http::Method::try_from(method.as_str()));
    let path = body.path.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') || http::uri::PathAndQuery::try_from(path.as_str()).is_err() {
        mistakes.add(&at.key("path"), "is no path such as /health");
    }
    if body.headers.len() > MAX_CHECK_HEADERS {
        mistakes.add(&at.key("headers"), format!("are more than {MAX_CHECK_HEADERS}"));
    }
    for (name, value) in &body.headers {
        let good = http::HeaderName::try_from(name.as_str()).is_ok()
            && http::HeaderValue::try_from(value.as_str()).is_ok();
        if !good {
            mistakes.add(&at.key("headers").key(name), "is no header");
        }
    }
    if body.host.as_ref().is_some_and(|host| http::HeaderValue::try_from(host.as_str()).is_err()) {
        mistakes.add(&at.key("host"), "is no host");
    }
    let statuses = body
        .statuses
        .iter()
        .enumerate()
        .map(|(index, text)| mistakes.take(&at.key("statuses").index(index), statuses(text)));
    let mut statuses = statuses.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>();
    if statuses.as_ref().is_some_and(Vec::is_empty) {
        statuses = Some(vec![GOOD_STATUSES]);
    }
    if let Some(pattern) = &body.body_matches {
        let compiled = RegexBuilder::new(pattern).size_limit(MAX_REGEX_BYTES).build();
        let compiled = compiled.map_err(|error| format!("is no regular expression: {error}"));
        mistakes.take(&at.key("body_matches"), compiled);
    }
    let contains = body.body_contains;
    if contains.as_ref().is_some_and(|text| text.len() > MAX_CHECK_TEXT_BYTES) {
        mistakes
            .add(&at.key("body_contains"), format!("has more than {MAX_CHECK_TEXT_BYTES} bytes"));
    }
    let own_port = port(body.port, at, mistakes);
    Some(CheckKind::Http(HttpCheck {
        method: method?.to_string(),
        path,
        host: body.host,
        headers: body.headers.into_iter().collect(),
        statuses: statuses?,
        body_contains: contains,
        body_matches: body.body_matches,
        port: own_port?,
        tls: body.tls.map(tls),
        degraded_above: body.degraded_above.map(|time| time.0),
    }))
}

/// `200`, `200-299`.
fn statuses(text: &str) -> Result<(u16, u16), &'static str> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        _ => Err("is neither a status such as 200 nor a range such as 200-299"),
    }
}

fn tcp_kind(body: TcpBody, at: &At<'_>, mistakes: &mut Mistakes) -> Option<CheckKind> {
    let TcpBody { port: own, send, expect, degraded_above } = body;
    for (key, text) in [("send", &send), ("expect", &expect)] {
        if text.len() > MAX_CHECK_TEXT_BYTES {
            mistakes.add(&at.key(key), format!("has more than {MAX_CHECK_TEXT_BYTES} bytes"));
        }
    }
    Some(CheckKind::Tcp(TcpCheck {
        port: port(own, at, mistakes)?,
        send: send.into_bytes(),
        expect: expect.into_bytes(),
        degraded_above: degraded_above.map(|time| time.0),
    }))
}

fn grpc_kind(body: GrpcBody, at: &At<'_>, mistakes: &mut Mistakes) -> Option<CheckKind> {
    let GrpcBody { service, port: own, tls: written, degraded_above } = body;
    let service = text(service, MAX_CHECK_TEXT_BYTES, &at.key("service"), mistakes);
    let own_port = port(own, at, mistakes);
    Some(CheckKind::Grpc(GrpcCheck {
        service: service?,
        port: own_port?,
        tls: written.map(tls),
        degraded_above: degraded_above.map(|time| time.0),
    }))
}

fn resources_kind(body: ResourcesBody, at: &At<'_>, mistakes: &mut Mistakes) -> Option<CheckKind> {
    let ResourcesBody { cpu, memory, disk, above } = body;
    let mut share = |written: Option<f32>, key| {
        let share = written.unwrap_or(SCARCE);
        if !(0.0..=1.0).contains(&share) {
            mistakes.add(&at.key(key), "is no share; allowed are 0 to 1");
        }
        share
    };
    Some(CheckKind::Resources(ResourceCheck {
        cpu: share(cpu, "cpu"),
        memory: share(memory, "memory"),
        disk: share(disk, "disk"),
        above: above.map_or(HealthStatus::Warning, HealthStatus::from),
    }))
}

fn port(port: Option<u16>, at: &At<'_>, mistakes: &mut Mistakes) -> Option<Option<u16>> {
    match port {
        None => Some(None),
        Some(port) => mistakes.take(&at.key("port"), super::convert::port(port)).map(Some),
    }
}

fn tls(body: TlsBody) -> CheckTls {
    CheckTls { server_name: body.server_name, verify: body.verify.unwrap_or(true) }
}
