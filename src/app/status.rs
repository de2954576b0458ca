//! The state of the process as the admin API tells it.

use super::reloader::Reloader;
use super::world::World;
use crate::admin::{EndpointStatus, PluginStatus, ServiceStatus, Status};
use crate::config::PluginSource;
use crate::plugin::Kind;
use crate::plugin::contract::Contract;
use crate::proxy::Service;
use crate::telemetry::clock::coarse_ms;

/// Gathers everything, as it is now.
pub(super) fn status(world: &World, reloader: &Reloader, started: f64) -> Status {
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        process_id: std::process::id(),
        started_unix_seconds: started,
        contracts: Kind::ALL.map(|kind| Contract::of(kind).spoken()).to_vec(),
        last_reload: reloader.last.clone(),
        listeners: reloader
            .started_with
            .listeners
            .iter()
            .map(|listener| (listener.name.to_string(), listener.address.to_string()))
            .collect(),
        routes: world.config.routes.iter().map(|route| route.name.to_string()).collect(),
        services: world
            .serving()
            .iter()
            .map(|(name, service)| (name.to_string(), service_status(service)))
            .collect(),
    }
}

fn service_status(service: &Service) -> ServiceStatus {
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
    ServiceStatus {
        endpoints: endpoints.collect(),
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
