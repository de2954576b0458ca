//! Who may be an endpoint of a service: what its configuration lists, and what registered.
//!
//! Knows nothing of who among them takes requests right now: that is [`rotation`](super::rotation)'s.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use super::names::Names;
use crate::balance::EndpointState;
use crate::config::{self, Config, Registered};
use crate::model::{
    Deprecation, Duty, Endpoint, EndpointId, HealthStatus, InstanceId, InstanceKey, InstanceRecord,
    Namespace, Origin, ServiceKey,
};
use crate::proxy::{Background, Notice};
use crate::registry::{Instance, ServiceView, Snapshot};
use crate::telemetry::Metrics;

/// What endpoints are made of, at one moment.
pub(super) struct Ground<'a> {
    pub names: &'a Names,
    pub registry: &'a Snapshot,
    pub metrics: &'a Metrics,
}

impl Ground<'_> {
    /// A candidate is counted from its first listing on, under the name that the registry has for it.
    fn count(&self, candidate: &Candidate) {
        let InstanceKey { service, id } = &candidate.background.subject;
        let metrics = candidate.state.metrics_or(|| {
            let service = match service.namespace == Namespace::default_one() {
                true => service.name.to_string(),
                false => service.to_string(),
            };
            self.metrics.instance(&service, id.as_str())
        });
        let well = candidate.status != HealthStatus::Critical;
        metrics.set_up(well && candidate.duty == Duty::Active, SystemTime::now());
    }
}

/// One that may be an endpoint.
pub(super) struct Candidate {
    pub endpoint: Endpoint,
    pub address: SocketAddr,
    pub state: Arc<EndpointState>,
    pub background: Arc<Background>,
    pub duty: Duty,
    pub status: HealthStatus,
}

/// The services of the registry that a service's endpoints come from: that of its own, configured
/// ones, and that of those which registered.
pub(super) fn sources(service: &config::Service) -> (ServiceKey, Option<ServiceKey>) {
    let Registered { enabled, namespace, service: name, .. } = &service.registered;
    let registered = ServiceKey { namespace: namespace.clone(), name: name.clone() };
    (ServiceKey::in_default(service.name.clone()), enabled.then_some(registered))
}

/// Every configured endpoint, as the registry lists it.
pub(super) fn configured_records(config: &Config) -> Vec<InstanceRecord> {
    let services = config.services.values();
    let each = services.flat_map(|service| {
        service.endpoints.iter().filter_map(|endpoint| configured_record(service, endpoint))
    });
    each.collect()
}

/// The hosts of the registered instances that a service takes.
pub(super) fn registered_hosts(service: &config::Service, registry: &Snapshot) -> BTreeSet<String> {
    let (_, registered) = sources(service);
    let view = registered.and_then(|key| registry.services.get(&key));
    let instances = view.iter().flat_map(|view| view.instances.values());
    let hosts = instances.map(|instance| &instance.record.host);
    hosts.filter(|host| host.parse::<IpAddr>().is_err()).cloned().collect()
}

fn configured_record(service: &config::Service, endpoint: &Endpoint) -> Option<InstanceRecord> {
    let Endpoint { id, host, port, weight, zone, region, metadata } = endpoint;
    Some(InstanceRecord {
        service: ServiceKey::in_default(service.name.clone()),
        id: InstanceId::new(id.as_str()).ok()?,
        version: None,
        host: host.clone(),
        port: *port,
        protocol: String::new(),
        weight: *weight,
        zone: zone.clone(),
        region: region.clone(),
        tags: Default::default(),
        metadata: metadata.clone(),
        ttl: None,
        checks: Vec::new(),
    })
}

/// Everybody who may be an endpoint of `service`, configured ones first. `known` is what is known of
/// endpoints that there were before.
pub(super) fn candidates(
    service: &config::Service,
    ground: &Ground<'_>,
    known: &dyn Fn(&EndpointId) -> Option<Arc<EndpointState>>,
) -> Vec<Candidate> {
    let (own, registered) = sources(service);
    let view = ground.registry.services.get(&own);
    let mut found = Vec::new();
    for endpoint in &service.endpoints {
        let Ok(id) = InstanceId::new(endpoint.id.as_str()) else { continue };
        let instance = view.and_then(|view| view.instances.get(&id));
        let instance = instance.filter(|instance| instance.origin == Origin::Configuration);
        let subject = InstanceKey { service: own.clone(), id };
        let background = Arc::new(Background { subject, notice: None });
        let duty = instance.map_or(Duty::Active, |instance| instance.duty.clone());
        let status = believed(service, instance.map(|instance| &**instance));
        for ip in ground.names.addresses(&endpoint.host) {
            let id = member_id(&endpoint.id, &endpoint.host, ip);
            let state = shared_state(instance.map(|i| &**i), ip).or_else(|| known(&id));
            found.push(Candidate {
                endpoint: Endpoint { id, ..endpoint.clone() },
                address: SocketAddr::new(ip, endpoint.port),
                state: state.unwrap_or_default(),
                background: background.clone(),
                duty: duty.clone(),
                status,
            });
        }
    }
    let view = registered.and_then(|key| ground.registry.services.get(&key));
    for instance in view.iter().flat_map(|view| view.instances.values()) {
        if instance.origin == Origin::Registration && is_wanted(&service.registered, instance) {
            let view = view.as_ref().expect("its instances are being looked at");
            found.extend(registered_candidates(service, view, instance, ground.names, known));
        }
    }
    found.iter().for_each(|candidate| ground.count(candidate));
    found
}

fn registered_candidates(
    service: &config::Service,
    view: &ServiceView,
    instance: &Instance,
    names: &Names,
    known: &dyn Fn(&EndpointId) -> Option<Arc<EndpointState>>,
) -> Vec<Candidate> {
    let record = &instance.record;
    let Ok(id) = EndpointId::new(record.id.as_str()) else { return Vec::new() };
    let subject = InstanceKey { service: record.service.clone(), id: record.id.clone() };
    let notice = notice(view, instance);
    let background = Arc::new(Background { subject, notice });
    let status = believed(service, Some(instance));
    let each = names.addresses(&record.host).into_iter().map(|ip| {
        let id = member_id(&id, &record.host, ip);
        let state = shared_state(Some(instance), ip).or_else(|| known(&id));
        Candidate {
            endpoint: Endpoint {
                id,
                host: record.host.clone(),
                port: record.port,
                weight: record.weight,
                zone: record.zone.clone(),
                region: record.region.clone(),
                metadata: record.metadata.clone(),
            },
            address: SocketAddr::new(ip, record.port),
            state: state.unwrap_or_default(),
            background: background.clone(),
            duty: instance.duty.clone(),
            status,
        }
    });
    each.collect()
}

/// Whether a service takes a registered instance.
fn is_wanted(registered: &Registered, instance: &Instance) -> bool {
    let record = &instance.record;
    let version = match (&registered.version, &record.version) {
        (None, _) => true,
        (Some(wanted), Some(version)) => wanted.matches(version),
        (Some(_), None) => false,
    };
    version && registered.tags.is_subset(&record.tags)
}

/// How well an instance is believed to be. A check that has not begun says what it says at first.
fn believed(service: &config::Service, instance: Option<&Instance>) -> HealthStatus {
    let known = instance.map(|instance| &instance.health);
    let unbegun = service
        .checks
        .iter()
        .filter(|check| known.is_none_or(|health| health.checks.get(&check.name).is_none()))
        .map(|check| check.schedule.initial);
    let said = known.map_or(HealthStatus::Passing, |health| health.status);
    unbegun.max().map_or(said, |unbegun| unbegun.max(said))
}

/// The state that the registry keeps of an instance is that of its endpoint, where it has just one.
fn shared_state(instance: Option<&Instance>, ip: IpAddr) -> Option<Arc<EndpointState>> {
    let instance = instance?;
    let is_address = instance.record.host.parse() == Ok(ip);
    is_address.then(|| instance.vitals.endpoint.clone())
}

/// What is said with each answer of an instance whose version is deprecated.
fn notice(view: &ServiceView, instance: &Instance) -> Option<Notice> {
    let version = instance.record.version.as_ref()?;
    let deprecations = &view.record.deprecations;
    let found = deprecations.iter().find(|deprecation| deprecation.versions.matches(version));
    found.map(|Deprecation { since, sunset, .. }| Notice::new(*since, *sunset))
}

/// A name may stand for many addresses, each of which is an endpoint of its own.
fn member_id(id: &EndpointId, host: &str, ip: IpAddr) -> EndpointId {
    if host.parse::<IpAddr>().is_ok() {
        return id.clone();
    }
    EndpointId::new(&format!("{id}/{ip}")).unwrap_or_else(|_| id.clone())
}
