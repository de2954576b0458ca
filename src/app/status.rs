//! The state of the process as the admin API tells it.

use std::time::Instant;

use super::names::Resolution;
use super::world::World;
use crate::admin::{
    EndpointStatus, NameStatus, PluginCounters, PluginStatus, RouteStatus, ServiceStatus, Status,
    StrategyStatus,
};
use crate::config::{HashOn, HostPattern, PathPattern, PluginSource, RouteAction, Strategy};
use crate::plugin::Kind;
use crate::plugin::contract::Contract;
use crate::proxy::Service;
use crate::proxy::route::Route;
use crate::telemetry::clock::coarse_ms;

/// Gathers everything, as it is now.
pub(super) fn status(world: &World) -> Status {
    let now = Instant::now();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process_id: std::process::id(),
        started_unix_seconds: world.started_unix_seconds,
        contracts: Kind::ALL.map(|kind| Contract::of(kind).spoken()).to_vec(),
        last_reload: world.last_reload.clone(),
        listeners: world
            .started_with
            .listeners
            .iter()
            .map(|listener| (listener.name.to_string(), listener.address.to_string()))
            .collect(),
        routes: world.config.routes.iter().map(|route| route.name.to_string()).collect(),
        services: world
            .serving()
            .iter()
            .map(|(name, service)| (name.to_string(), service_status(world, service, now)))
            .collect(),
        route_table: world.shared.table.load().routes().iter().map(|r| route_status(r)).collect(),
        strategies: world.config.strategies.values().map(|s| strategy_status(s, world)).collect(),
    }
}

fn route_status(route: &Route) -> RouteStatus {
    let config = &route.config;
    RouteStatus {
        name: config.name.to_string(),
        service: match &config.action {
            RouteAction::Forward { service, .. } => Some(service.to_string()),
            RouteAction::Redirect(_) => None,
        },
        hosts: config.matcher.hosts.iter().map(host_words).collect(),
        path: match &config.matcher.path {
            PathPattern::Exact(path) => format!("exact {path}"),
            PathPattern::Prefix(path) => format!("prefix {path}"),
            PathPattern::Regex(pattern) => format!("regex {pattern}"),
        },
        methods: config.matcher.methods.iter().map(|method| method.0.to_string()).collect(),
        requests: route.metrics.requests(),
        requests_in_flight: route.metrics.in_flight.get(),
        connect_failures: route.metrics.connect_failures.get(),
    }
}

fn host_words(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
    }
}

fn strategy_status(strategy: &Strategy, world: &World) -> StrategyStatus {
    let users = world.config.services.values().filter(|s| s.strategy == strategy.name);
    StrategyStatus {
        name: strategy.name.to_string(),
        source: source_words(&strategy.source),
        hash_on: match &strategy.hash_on {
            HashOn::None => "none".to_owned(),
            HashOn::SourceIp => "source_ip".to_owned(),
            HashOn::Path => "path".to_owned(),
            HashOn::Header(name) => format!("header {name}"),
            HashOn::Cookie(name) => format!("cookie {name}"),
            HashOn::Query(name) => format!("query {name}"),
        },
        services: users.map(|service| service.name.to_string()).collect(),
    }
}

fn source_words(source: &PluginSource) -> String {
    match source {
        PluginSource::BuiltIn(name) => format!("built-in {name}"),
        PluginSource::File(path) => path.display().to_string(),
    }
}

fn service_status(world: &World, service: &Service, now: Instant) -> ServiceStatus {
    let names = world.names();
    let balancer = &service.balancer;
    let spec = balancer.spec();
    let upstreams = service.upstreams();
    let endpoints = upstreams.set.members().iter().map(|member| EndpointStatus {
        id: member.endpoint.id.to_string(),
        address: member.address.to_string(),
        weight: member.endpoint.weight.get(),
        zone: member.endpoint.zone.clone(),
        region: member.endpoint.region.clone(),
        eligible: member.state.eligible(),
        requests_in_flight: member.state.active(),
        latency_us: member.state.latency().read_us(coarse_ms()),
    });
    let hosts = service.config.endpoints.iter().map(|endpoint| endpoint.host.as_str());
    let resolutions = hosts.filter_map(|host| {
        let Resolution { addresses, age, error } = names.resolution(host, now)?;
        let age_seconds = age.map(|age| age.as_secs());
        let last_error = error.map(str::to_owned);
        Some((host.to_owned(), NameStatus { addresses, age_seconds, last_error }))
    });
    ServiceStatus {
        endpoints: endpoints.collect(),
        panicking: world.is_panicking(&service.config.name),
        names: resolutions.collect(),
        strategy: spec.strategy.name.to_string(),
        plugin: PluginStatus {
            source: source_words(&spec.strategy.source),
            sha256: spec.checked.component.digest().to_owned(),
            slots: balancer.ready_slots(),
            memory_bytes: u64::try_from(balancer.metrics().memory_bytes.get()).unwrap_or(0),
            tripped: balancer.is_tripped(),
        },
        counters: PluginCounters {
            picks: balancer.metrics().picks.get(),
            fallbacks: balancer.metrics().fallbacks(),
            traps: balancer.metrics().traps(),
            log_lines_dropped: balancer.metrics().log_lines_dropped.get(),
        },
    }
}
