//! `[checks]`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method};

use super::check::{Check, DAY, MILLISECOND};
use super::health::{Written, schedule, status};
use super::network::{host_name, ip_range};
use super::strategy::source;
use crate::config::path::KeyPath;
use crate::config::schema::{self, Time};
use crate::model::{
    self, AllowedHost, AllowedPeer, CheckKind, CheckName, CheckTls, GrpcCheck, HealthStatus,
    HttpCheck, PluginCheck, ResourceCheck, ResponseTimeCheck, Schedule, TcpCheck,
};

/// Names that the registry gives to checks of its own.
const RESERVED: [&str; 2] = ["traffic", "ttl"];

type Checks = BTreeMap<CheckName, Arc<model::Check>>;

pub fn checks(
    checks: BTreeMap<String, schema::Check>,
    inherited: &Schedule,
    memory_bytes: usize,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Checks {
    let each = checks.into_iter().filter_map(|(name, written)| {
        let made = health_check(&name, written, inherited, memory_bytes, &at.key(&name), check)?;
        Some((made.name.clone(), Arc::new(made)))
    });
    each.collect()
}

fn health_check(
    name: &str,
    written: schema::Check,
    inherited: &Schedule,
    inherited_memory: usize,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<model::Check> {
    let schema::Check {
        http,
        tcp,
        grpc,
        response_time,
        resources,
        plugin,
        config,
        allow,
        fresh,
        memory_limit,
        interval,
        jitter_percent,
        interval_changing,
        interval_down,
        timeout,
        rise,
        fall,
        initial,
    } = written;
    if RESERVED.contains(&name) {
        check.lacks(at, &format!("the name `{name}` is the registry's own; choose another"));
    }
    let name = check.name(at, CheckName::new(name));
    let mut kinds: Vec<Option<CheckKind>> = Vec::new();
    kinds.extend(http.map(|written| http_check(written, &at.key("http"), check)));
    kinds.extend(tcp.map(|written| tcp_check(written, &at.key("tcp"), check)));
    kinds.extend(grpc.map(|written| grpc_check(written, &at.key("grpc"), check)));
    kinds.extend(response_time.map(|w| response_time_check(w, &at.key("response_time"), check)));
    kinds.extend(resources.map(|w| resource_check(w, &at.key("resources"), check)));
    let is_plugin = plugin.is_some();
    kinds.extend(plugin.map(|plugin| {
        let memory = memory_limit.map_or(inherited_memory as u64, |limit| {
            check.size(&at.key("memory_limit"), limit, 64 << 10, 4 << 30)
        });
        let built_in = check.around.built_in.checks;
        let source = source(&plugin, built_in, "check", &at.key("plugin"), check);
        let allow = allowed(&allow, &at.key("allow"), check);
        Some(CheckKind::Plugin(PluginCheck {
            source: source?,
            config_json: serde_json::Value::Object(config.clone()).to_string(),
            allow,
            fresh,
            memory_bytes: usize::try_from(memory).unwrap_or(usize::MAX),
        }))
    }));
    if !is_plugin {
        let of_plugins = [
            ("config", !config.is_empty()),
            ("allow", !allow.is_empty()),
            ("fresh", fresh),
            ("memory_limit", memory_limit.is_some()),
        ];
        for (key, _) in of_plugins.iter().filter(|(_, written)| *written) {
            check.lacks(&at.key(key), "belongs to `plugin`, and there is none");
        }
    }
    if kinds.len() != 1 {
        let what = match kinds.len() {
            0 => "says not what to do",
            _ => "says to do several things",
        };
        let allowed = "exactly one of http, tcp, grpc, response_time, resources, plugin";
        check.lacks(at, &format!("{what}; allowed is {allowed}"));
        return None;
    }
    let written = Written {
        interval,
        jitter_percent,
        interval_changing,
        interval_down,
        timeout,
        rise,
        fall,
        initial,
    };
    let schedule = schedule(&written, inherited, at, check);
    Some(model::Check { name: name?, kind: kinds.pop()??, schedule })
}

fn http_check(http: schema::HttpCheck, at: &KeyPath, check: &mut Check<'_>) -> Option<CheckKind> {
    let schema::HttpCheck {
        method,
        path,
        host,
        headers,
        statuses,
        body_contains,
        body_matches,
        port,
        tls,
        degraded_above,
    } = http;
    if Method::from_bytes(method.as_bytes()).is_err() {
        check.wrong(&at.key("method"), "is no method");
    }
    let is_path = path.starts_with('/') && path.parse::<http::Uri>().is_ok();
    if !is_path {
        check.refuse(&at.key("path"), "is no path", "a path such as `/healthz`");
    }
    if host.as_deref().is_some_and(|host| HeaderValue::from_str(host).is_err()) {
        check.wrong(&at.key("host"), "is no host");
    }
    for (name, value) in &headers {
        let valid =
            HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok();
        if !valid {
            check.wrong(&at.key("headers").key(name), "is no header");
        }
    }
    let mut ranges = Vec::new();
    for (i, text) in statuses.iter().enumerate() {
        match status_range(text) {
            Some(range) => ranges.push(range),
            None => {
                let allowed = "a status from 100 to 599, or a range such as `200-299`";
                check.refuse(&at.key("statuses").index(i), "will not do", allowed);
            }
        }
    }
    if statuses.is_empty() {
        check.wrong(&at.key("statuses"), "is empty: no answer would do");
    }
    if let Some(pattern) = &body_matches {
        check.regex(&at.key("body_matches"), pattern, false);
    }
    Some(CheckKind::Http(HttpCheck {
        method,
        path,
        host,
        headers: headers.into_iter().collect(),
        statuses: ranges,
        body_contains,
        body_matches,
        port: port_of(port, at, check),
        tls: tls.map(|tls| check_tls(tls, &at.key("tls"), check)),
        degraded_above: degraded(degraded_above, at, check),
    }))
}

/// `204`, or `200-299`.
fn status_range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.parse().ok().filter(|status| (100..600).contains(status));
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some((first, last))
}

fn tcp_check(tcp: schema::TcpCheck, at: &KeyPath, check: &mut Check<'_>) -> Option<CheckKind> {
    let schema::TcpCheck { send, expect, port, degraded_above } = tcp;
    Some(CheckKind::Tcp(TcpCheck {
        send: send.into_bytes(),
        expect: expect.into_bytes(),
        port: port_of(port, at, check),
        degraded_above: degraded(degraded_above, at, check),
    }))
}

fn grpc_check(grpc: schema::GrpcCheck, at: &KeyPath, check: &mut Check<'_>) -> Option<CheckKind> {
    let schema::GrpcCheck { service, port, tls, degraded_above } = grpc;
    Some(CheckKind::Grpc(GrpcCheck {
        service,
        port: port_of(port, at, check),
        tls: tls.map(|tls| check_tls(tls, &at.key("tls"), check)),
        degraded_above: degraded(degraded_above, at, check),
    }))
}

fn response_time_check(
    times: schema::ResponseTimeCheck,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<CheckKind> {
    let schema::ResponseTimeCheck { warning_above, critical_above } = times;
    let mut time = |key, time| check.time(&at.key(key), time, MILLISECOND, DAY);
    let warning = time("warning_above", warning_above);
    let critical = critical_above.map(|above| time("critical_above", above));
    if critical.is_some_and(|critical| critical < warning) {
        check.wrong(&at.key("critical_above"), "is less than `warning_above`");
    }
    let times = ResponseTimeCheck { warning_above: warning, critical_above: critical };
    Some(CheckKind::ResponseTime(times))
}

fn resource_check(
    resources: schema::ResourceCheck,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<CheckKind> {
    let schema::ResourceCheck { cpu, memory, disk, above } = resources;
    for (key, share) in [("cpu", cpu), ("memory", memory), ("disk", disk)] {
        if !(0.0..=1.0).contains(&share) {
            check.refuse(&at.key(key), "is out of range", "0.0 to 1.0");
        }
    }
    let above = status(above);
    if above == HealthStatus::Passing {
        check.refuse(&at.key("above"), "would change nothing", "warning, critical");
    }
    let (cpu, memory, disk) = (cpu as f32, memory as f32, disk as f32);
    Some(CheckKind::Resources(ResourceCheck { cpu, memory, disk, above }))
}

fn check_tls(tls: schema::CheckTls, at: &KeyPath, check: &mut Check<'_>) -> CheckTls {
    let schema::CheckTls { server_name, verify } = tls;
    if server_name.as_deref().is_some_and(|name| host_name(name).is_none()) {
        check.wrong(&at.key("server_name"), "is no host name");
    }
    CheckTls { server_name, verify }
}

fn port_of(port: Option<u16>, at: &KeyPath, check: &mut Check<'_>) -> Option<u16> {
    if port == Some(0) {
        check.refuse(&at.key("port"), "is out of range", "1 to 65535");
    }
    port
}

fn degraded(
    above: Option<Time>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<std::time::Duration> {
    above.map(|above| check.time(&at.key("degraded_above"), above, MILLISECOND, DAY))
}

/// Whom a plugin may connect to.
pub fn allowed(allow: &[String], at: &KeyPath, check: &mut Check<'_>) -> Vec<AllowedPeer> {
    let mut peers = Vec::new();
    for (i, text) in allow.iter().enumerate() {
        match allowed_peer(text) {
            Some(peer) => peers.push(peer),
            None => {
                let allowed = "`host:port`, `10.0.0.0/8:6379`, `[fd00::]/8:6379`, `host:*`";
                check.refuse(&at.index(i), "will not do", allowed);
            }
        }
    }
    peers
}

/// One of them, if it is well written.
pub fn allowed_peer(text: &str) -> Option<AllowedPeer> {
    let (host, port) = text.rsplit_once(':')?;
    let port = match port {
        "*" => None,
        port => Some(port.parse().ok().filter(|&port: &u16| port != 0)?),
    };
    let bare = host.replacen('[', "", 1).replacen(']', "", 1);
    let host = match ip_range(&bare) {
        Some(range) => AllowedHost::Range { base: range.base, prefix_bits: range.prefix_bits },
        None => AllowedHost::Name(host_name(host)?),
    };
    Some(AllowedPeer { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_range() {
        for (text, expected) in [
            ("204", Some((204, 204))),
            ("200-299", Some((200, 299))),
            ("299-200", None),
            ("99", None),
            ("600", None),
            ("", None),
            ("2xx", None),
        ] {
            assert_eq!(status_range(text), expected, "{text}");
        }
    }

    #[test]
    fn peers_are_names_or_ranges_with_a_port() {
        let range = |base: &str, prefix_bits| AllowedHost::Range {
            base: base.parse().unwrap(),
            prefix_bits,
        };
        let name = |name: &str| AllowedHost::Name(name.to_owned());
        for (text, expected) in [
            ("db.internal:5432", Some((name("db.internal"), Some(5432)))),
            ("db.internal:*", Some((name("db.internal"), None))),
            ("10.0.0.0/8:6379", Some((range("10.0.0.0", 8), Some(6379)))),
            ("127.0.0.1:80", Some((range("127.0.0.1", 32), Some(80)))),
            ("[fd00::]/8:80", Some((range("fd00::", 8), Some(80)))),
            ("db.internal", None),
            ("db.internal:0", None),
            ("10.0.0.0/33:1", None),
        ] {
            let found = allowed_peer(text).map(|peer| (peer.host, peer.port));
            assert_eq!(found, expected, "{text}");
        }
    }
}
