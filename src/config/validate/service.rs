//! `[services]`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::{Check, DAY, HOUR, MILLISECOND};
use super::headers::edits;
use super::health::service_health;
use super::network::{host_and_port, host_name};
use super::registry::registered as registered_instances;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{Health, Service, Timeouts, Upstream, UpstreamProtocol, UpstreamTls};
use crate::model::{self, CheckName, Endpoint, EndpointId, ServiceName, StrategyName, Weight};

type Checks = BTreeMap<CheckName, Arc<model::Check>>;

pub fn services(
    services: BTreeMap<String, schema::Service>,
    health: &Health,
    checks: &Checks,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> BTreeMap<ServiceName, Arc<Service>> {
    let each = services.into_iter().filter_map(|(name, written)| {
        let service = service(&name, written, health, checks, &at.key(&name), check)?;
        Some((service.name.clone(), Arc::new(service)))
    });
    each.collect()
}

fn service(
    name: &str,
    service: schema::Service,
    inherited_health: &Health,
    declared_checks: &Checks,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Service> {
    let schema::Service {
        strategy,
        endpoints: written,
        registered,
        checks,
        health,
        protocol,
        tls,
        timeouts: times,
        request_headers,
        response_headers,
        max_request_body,
        connect_tries,
        max_h2_streams,
    } = service;
    let name = check.name(at, ServiceName::new(name));
    let strategy = strategy_name(&strategy, &at.key("strategy"), check);
    let takes_registered = registered.enabled;
    let endpoints = endpoints(written, takes_registered, &at.key("endpoints"), check);
    let checks = named_checks(&checks, declared_checks, &at.key("checks"), check);
    let health = service_health(health, inherited_health, &at.key("health"), check);
    let tls = tls.map(|written| upstream_tls(written, &at.key("tls"), check));
    let protocol = match protocol {
        schema::Protocol::Http1 => UpstreamProtocol::Http1,
        schema::Protocol::Http2 => UpstreamProtocol::Http2,
        schema::Protocol::Auto => UpstreamProtocol::Auto,
    };
    let streams = check.number(&at.key("max_h2_streams"), max_h2_streams, 1, 10_000);
    let upstream = Upstream { protocol, tls, max_h2_streams: streams as usize };
    let name = name?;
    Some(Service {
        registered: registered_instances(registered, &name, &at.key("registered"), check)?,
        checks,
        health,
        timeouts: timeouts(times, &at.key("timeouts"), check),
        headers: edits(request_headers, response_headers, at, check),
        max_request_body_bytes: max_request_body.map(|size| size.0),
        connect_tries: check.number(&at.key("connect_tries"), connect_tries, 1, 16),
        name,
        strategy: strategy?,
        endpoints,
        upstream,
    })
}

fn strategy_name(text: &str, at: &KeyPath, check: &mut Check<'_>) -> Option<StrategyName> {
    // What was declared but is broken counts as known: it has its own problem.
    let declared = KeyPath::root("strategies");
    let built_in = check.around.built_in.strategies;
    if built_in.contains(&text) || check.tree.locate(&declared.key(text)).node.is_some() {
        return check.name(at, StrategyName::new(text));
    }
    let mut known = check.tree.keys(&declared);
    known.extend(built_in);
    check.unknown(at, "is no strategy", text, known);
    None
}

/// Checks that are declared, by their names.
fn named_checks(
    names: &[String],
    declared: &Checks,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Vec<Arc<model::Check>> {
    let table = KeyPath::root("checks");
    let mut found: Vec<Arc<model::Check>> = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let at = at.index(i);
        match declared.get(name.as_str()) {
            Some(known) if found.iter().any(|other| other.name == known.name) => {
                check.wrong(&at, "is named twice");
            }
            Some(known) => found.push(known.clone()),
            // What was declared but is broken has its own problem.
            None if check.tree.locate(&table.key(name)).node.is_some() => {}
            None => check.unknown(&at, "is no check", name, check.tree.keys(&table)),
        }
    }
    found
}

fn endpoints(
    list: Vec<schema::Endpoint>,
    takes_registered: bool,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Vec<Endpoint> {
    let mut ids = BTreeSet::new();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for (i, written) in list.into_iter().enumerate() {
        let at = at.index(i);
        let key = if written.id.is_some() { "id" } else { "address" };
        let Some(endpoint) = endpoint(written, &at, check) else { continue };
        if !ids.insert(endpoint.id.clone()) {
            let what = "is already the id of another endpoint of this service";
            check.wrong(&at.key(key), what);
        }
        endpoints.push(endpoint);
    }
    if !check.tree.pruned_within(at) {
        // Where instances register, none need be listed.
        if endpoints.is_empty() && !takes_registered {
            check.doubt(at, "there is no endpoint: each request gets 503");
        }
        if !endpoints.is_empty() && endpoints.iter().all(|e| e.weight == Weight::ZERO) {
            check.doubt(at, "all weights are 0: no request goes to any of them");
        }
    }
    endpoints
}

fn endpoint(written: schema::Endpoint, at: &KeyPath, check: &mut Check<'_>) -> Option<Endpoint> {
    let schema::Endpoint { address, id, weight, zone, region, metadata } = written;
    let host_and_port = host_and_port(&address);
    if host_and_port.is_none() {
        let allowed = "host and port, such as `127.0.0.1:9001`, `[::1]:9001`, `web.internal:80`";
        check.refuse(&at.key("address"), "will not do", allowed);
    }
    let id = match id {
        Some(id) => check.name(&at.key("id"), EndpointId::new(&id)),
        None => {
            let (host, port) = host_and_port.as_ref()?;
            let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            check.name(&at.key("address"), EndpointId::new(&format!("{bracketed}:{port}")))
        }
    };
    let weight = Weight::new(weight.into()).unwrap_or(Weight::DEFAULT);
    let (host, port) = host_and_port?;
    Some(Endpoint { id: id?, host, port, weight, zone, region, metadata })
}

fn upstream_tls(tls: schema::UpstreamTls, at: &KeyPath, check: &mut Check<'_>) -> UpstreamTls {
    let schema::UpstreamTls { server_name, verify, ca, client_certificate } = tls;
    if server_name.as_deref().is_some_and(|name| host_name(name).is_none()) {
        check.wrong(&at.key("server_name"), "is no host name");
    }
    if !verify {
        check.doubt(&at.key("verify"), "certificates are not checked: anyone can be the endpoint");
    }
    UpstreamTls {
        server_name,
        verify,
        ca: ca.map(|path| check.file(&at.key("ca"), &path)),
        client_certificate: client_certificate
            .map(|files| check.certificate(&at.key("client_certificate"), &files)),
    }
}

fn timeouts(timeouts: schema::Timeouts, at: &KeyPath, check: &mut Check<'_>) -> Timeouts {
    let schema::Timeouts { connect, read, write, idle } = timeouts;
    let mut time = |key, time, max| check.time(&at.key(key), time, MILLISECOND, max);
    Timeouts {
        connect: time("connect", connect, HOUR),
        read: time("read", read, DAY),
        write: time("write", write, DAY),
        idle: time("idle", idle, DAY),
    }
}
