//! The state of the process as the admin API tells it.

use std::time::Instant;

use super::names::Resolution;
use super::world::World;
use crate::admin::{EndpointStatus, NameStatus, PluginStatus, ServiceStatus, Status};
use crate::config::PluginSource;
use crate::plugin::Kind;
use crate::plugin::contract::Contract;
use crate::proxy::Service;
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
            source: match &spec.strategy.source {
                PluginSource::BuiltIn(name) => format!("built-in {name}"),
                PluginSource::File(path) => path.display().to_string(),
            },
            sha256: spec.checked.component.digest().to_owned(),
            slots: balancer.ready_slots(),
            memory_bytes: u64::try_from(balancer.metrics().memory_bytes.get()).unwrap_or(0),
            tripped: balancer.is_tripped(),
        },
    }
}
