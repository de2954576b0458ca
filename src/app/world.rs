//! What is in effect: the services and routes that serve, and the switch to others.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::BuildError;
use super::alerts::Alerting;
use super::build::{Builder, Built, Channels, Checkers, PluginHosts, Serving, report_loads};
use super::logs::Logs;
use super::members::{Ground, candidates, configured_records, registered_hosts, sources};
use super::names::{Answer, Names, hosts, look_up};
use super::otlp::{self, Exporting};
use super::picker::Live;
use super::reloader::{Cause, report};
use super::rotation::{Rotation, Turn};
use crate::admin::{ReloadReport, ReloadResult};
use crate::config::{self, Config, Listener};
use crate::health::{Plan, TrafficInbox};
use crate::model::{EndpointId, ListenerName, ServiceKey, ServiceName};
use crate::plugin::Node;
use crate::plugin::alert_channel::AlertChannelHost;
use crate::plugin::balancer::BalancerHost;
use crate::plugin::health_check::HealthCheckHost;
use crate::proxy::tls::Resolver;
use crate::proxy::{Service, Shared, Upstreams};
use crate::registry::{Note, Registry, Snapshot};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ServiceMetrics;
use crate::telemetry::ring::{RingSettings, Sampler};

/// Everything that a reload replaces, and what it needs for that.
pub(super) struct World {
    pub config: Arc<Config>,
    /// What the process was started with: what of it needs a restart is in effect still.
    pub started_with: Arc<Config>,
    /// How the newest configuration was received.
    pub last_reload: ReloadReport,
    /// When the process began to serve, as a Unix time.
    pub started_unix_seconds: f64,
    pub host: Arc<BalancerHost>,
    pub metrics: Metrics,
    pub shared: Arc<Shared>,
    pub listeners: BTreeMap<ListenerName, ListenerHandle>,
    pub registry: Registry,
    check_host: Arc<HealthCheckHost>,
    checkers: Checkers,
    channel_host: Arc<AlertChannelHost>,
    channels: Channels,
    traffic: TrafficInbox,
    plan: watch::Sender<Arc<Plan>>,
    exporting: Exporting,
    logs: Logs,
    live: Arc<ArcSwap<Live>>,
    alerting: Alerting,
    sampler: Sampler,
    names: Names,
    serving: Serving,
    rotations: BTreeMap<ServiceName, Rotation>,
    /// When a recovering endpoint's share grows next, by service.
    ramps: BTreeMap<ServiceName, Instant>,
    /// Who takes the instances of a service of the registry.
    takers: BTreeMap<ServiceKey, Vec<ServiceName>>,
    endpoint_metrics: BTreeMap<ServiceName, Arc<ServiceMetrics>>,
}

/// How a configuration has samples taken.
pub(super) fn ring_settings(config: &Config) -> RingSettings {
    let config::Metrics { sample_interval: interval, retention, max_instances: _, requests: _ } =
        config.metrics;
    RingSettings { interval, retention }
}

/// What a world is made in.
pub(super) struct Surroundings {
    pub hosts: PluginHosts,
    pub metrics: Metrics,
    pub shared: Arc<Shared>,
    pub registry: Registry,
    /// Who hears what requests meet.
    pub traffic: TrafficInbox,
    /// Who hears what is to be checked.
    pub plan: watch::Sender<Arc<Plan>>,
    /// What is told to a collector.
    pub exporting: Exporting,
    /// What is written down.
    pub logs: Logs,
    /// Who picks for clients that do not come through the proxy reads this.
    pub live: Arc<ArcSwap<Live>>,
    /// Who sees to alerts.
    pub alerting: Alerting,
    /// Who keeps what the metrics were.
    pub sampler: Sampler,
}

/// What of a listener may change while it listens.
#[derive(Clone)]
pub(super) struct ListenerHandle {
    pub settings: Arc<ArcSwap<Listener>>,
    pub certificates: Option<Arc<Resolver>>,
}

impl World {
    /// Puts the first configuration into effect.
    pub(super) async fn new(
        config: Config,
        surroundings: Surroundings,
    ) -> Result<Self, Vec<BuildError>> {
        let Surroundings {
            hosts: plugin_hosts,
            metrics,
            shared,
            registry,
            traffic,
            plan,
            exporting,
            logs,
            live,
            alerting,
            sampler,
        } = surroundings;
        let PluginHosts { host, check_host, channel_host } = plugin_hosts;
        registry.configure(configured_records(&config)).await;
        let snapshot = registry.snapshot();
        let mut names = Names::default();
        names.learn(look_up(names.unknown(&hosts(&config, &snapshot))).await, Instant::now());
        let config = Arc::new(config);
        let builder = Builder {
            host: host.clone(),
            check_host: check_host.clone(),
            checkers: Checkers::new(),
            channel_host: channel_host.clone(),
            channels: Channels::new(),
            metrics: metrics.clone(),
            names,
            registry: snapshot,
            serving: Serving::new(),
            rotations: BTreeMap::new(),
            traffic: traffic.clone(),
        };
        let mut built = builder.build(config.clone())?;
        built.logs = Some(logs.open(&config, &metrics).map_err(|e| vec![e])?);
        built.otlp = otlp::open(config.otlp.as_ref(), None, &metrics).map_err(|e| vec![e])?;
        let mut listeners = BTreeMap::new();
        for listener in &config.listeners {
            let certificates = built
                .certificates
                .remove(&listener.name)
                .map(|loaded| Arc::new(Resolver::new(loaded)));
            let settings = Arc::new(ArcSwap::from_pointee(listener.clone()));
            listeners.insert(listener.name.clone(), ListenerHandle { settings, certificates });
        }
        let first = report(Cause::Start, ReloadResult::Applied, Duration::ZERO);
        let mut world = Self {
            started_with: config.clone(),
            config,
            started_unix_seconds: first.unix_seconds,
            last_reload: first,
            host,
            metrics,
            shared,
            listeners,
            registry,
            check_host,
            checkers: Checkers::new(),
            channel_host,
            channels: Channels::new(),
            traffic,
            plan,
            exporting,
            logs,
            live,
            alerting,
            sampler,
            names: Names::default(),
            serving: Serving::new(),
            rotations: BTreeMap::new(),
            ramps: BTreeMap::new(),
            takers: BTreeMap::new(),
            endpoint_metrics: BTreeMap::new(),
        };
        world.publish(built);
        Ok(world)
    }

    /// Names in a configuration that were never asked for.
    pub(super) fn names_unknown(&self, config: &Config) -> Vec<String> {
        self.names.unknown(&hosts(config, &self.registry.snapshot()))
    }

    /// What builds another configuration aside, to be called wherever it may take its time.
    pub(super) fn build(
        &self,
        config: Config,
        answers: Vec<Answer>,
    ) -> impl FnOnce() -> Result<Built, Vec<BuildError>> + Send + 'static {
        let mut names = self.names.clone();
        names.learn(answers, Instant::now());
        let builder = Builder {
            host: self.host.clone(),
            check_host: self.check_host.clone(),
            checkers: self.checkers.clone(),
            channel_host: self.channel_host.clone(),
            channels: self.channels.clone(),
            metrics: self.metrics.clone(),
            names,
            registry: self.registry.snapshot(),
            serving: self.serving.clone(),
            rotations: self.rotations.clone(),
            traffic: self.traffic.clone(),
        };
        let (logs, metrics) = (self.logs.clone(), self.metrics.clone());
        let former = self.config.clone();
        move || {
            let config = Arc::new(config);
            let mut built = builder.build(config.clone())?;
            let otlp = otlp::open(config.otlp.as_ref(), former.otlp.as_ref(), &metrics);
            built.otlp = otlp.map_err(|error| vec![error])?;
            // Last: a refused configuration leaves no file.
            built.logs = Some(logs.open(&config, &metrics).map_err(|error| vec![error])?);
            Ok(built)
        }
    }

    /// Puts what was built into effect: routes and services with one store, then the rest.
    pub(super) fn publish(&mut self, built: Built) {
        let Built {
            config,
            services,
            table,
            certificates,
            logs,
            otlp,
            to_tell,
            plan,
            checkers,
            channels,
            names,
        } = built;
        self.plan.send_replace(Arc::new(plan));
        self.alerting.publish(&config, &channels);
        self.checkers = checkers;
        self.channels = channels;
        self.shared.table.store(Arc::new(table));
        if let Some(opened) = logs {
            self.logs.publish(opened, &self.shared);
        }
        if let otlp::Change::Becomes(otlp) = otlp {
            self.exporting.change(otlp, &self.shared);
        }
        for (balancer, set) in to_tell {
            balancer.set_endpoints(set);
        }
        for (name, loaded) in certificates {
            let handle = self.listeners.get(&name);
            if let Some(resolver) = handle.and_then(|handle| handle.certificates.as_ref()) {
                resolver.replace(loaded);
            }
        }
        for listener in &config.listeners {
            if let Some(handle) = self.listeners.get(&listener.name) {
                handle.settings.store(Arc::new(listener.clone()));
            }
        }
        let now = Instant::now();
        let former = mem::replace(&mut self.serving, services);
        for (name, Service { balancer, .. }) in former.iter().map(|(name, s)| (name, &**s)) {
            let goes_on =
                self.serving.get(name).is_some_and(|s| Arc::ptr_eq(&s.balancer, balancer));
            if !goes_on {
                balancer.retire(now);
            }
        }
        if config.metrics != self.config.metrics {
            self.metrics.count_requests(config.metrics.requests);
            self.metrics.limit_instances(config.metrics.max_instances);
            self.sampler.set(ring_settings(&config));
        }
        self.names.adopt(names);
        self.config = config.clone();
        self.find_takers();
        // Names may have been answered while it was built, and instances have come and gone.
        self.refresh_all(&former);
        for service in self.serving.values() {
            service.balancer.publish();
            report_loads(&service.upstreams().set);
        }
        self.show_live();
    }

    /// Shows who serves which service of the registry: that of the same name, else the first.
    fn show_live(&self) {
        let of = |(key, takers): (&ServiceKey, &Vec<ServiceName>)| {
            let taker = takers.iter().find(|taker| **taker == key.name).or(takers.first())?;
            Some((key.clone(), self.serving.get(taker)?.clone()))
        };
        let node = Node {
            zone: self.config.server.zone.clone(),
            region: self.config.server.region.clone(),
        };
        self.live.store(Arc::new(Live {
            strategies: self.config.strategies.clone(),
            services: self.takers.iter().filter_map(of).collect(),
            node: Arc::new(node),
        }));
    }

    /// Opens the logs' files again: what was there may have been moved away.
    pub(super) fn reopen_logs(&self) -> Vec<BuildError> {
        self.logs.reopen()
    }

    /// The names whose answers are due, to be [looked up](look_up) beside the loop.
    pub(super) fn names_to_ask(&mut self) -> Vec<String> {
        let hosts = hosts(&self.config, &self.registry.snapshot());
        self.names.take_due(&hosts, Instant::now())
    }

    /// Takes answers, and publishes the endpoints that they change.
    pub(super) fn learn_names(&mut self, answers: Vec<Answer>) {
        self.names.learn(answers, Instant::now());
        self.refresh_all(&Serving::new());
    }

    /// Publishes the endpoints that changes in the registry brought. Returns the names that are to be
    /// [looked up](look_up) for that.
    pub(super) fn registry_changed(&mut self, changed: &BTreeSet<ServiceKey>) -> Vec<String> {
        let snapshot = self.registry.snapshot();
        let takers = changed.iter().filter_map(|key| self.takers.get(key)).flatten();
        let takers: BTreeSet<ServiceName> = takers.cloned().collect();
        let mut unknown = BTreeSet::new();
        for name in &takers {
            self.refresh(name, None, &snapshot);
            if let Some(service) = self.serving.get(name) {
                unknown.extend(registered_hosts(&service.config, &snapshot));
            }
        }
        self.names.unknown(&unknown)
    }

    /// Gives recovering endpoints what is theirs by now.
    pub(super) fn grow_shares(&mut self, now: Instant) {
        let snapshot = self.registry.snapshot();
        let due: Vec<ServiceName> =
            self.ramps.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.refresh(&name, None, &snapshot);
        }
    }

    /// When a recovering endpoint's share grows next.
    pub(super) fn share_grows(&self) -> Option<Instant> {
        self.ramps.values().min().copied()
    }

    /// Whether requests to a service go to all its endpoints, as too few are well.
    pub(super) fn is_panicking(&self, service: &ServiceName) -> bool {
        self.rotations.get(service).is_some_and(Rotation::is_panicking)
    }

    fn find_takers(&mut self) {
        self.takers.clear();
        for (name, service) in &self.config.services {
            let (own, registered) = sources(service);
            for key in registered.into_iter().chain([own]).collect::<BTreeSet<_>>() {
                self.takers.entry(key).or_default().push(name.clone());
            }
        }
        let services = &self.config.services;
        self.rotations.retain(|name, _| services.contains_key(name));
        self.ramps.retain(|name, _| services.contains_key(name));
        self.endpoint_metrics.retain(|name, _| services.contains_key(name));
    }

    /// Gives every service the endpoints that it has now. Endpoints that are new to a service may be
    /// known in `former`.
    fn refresh_all(&mut self, former: &Serving) {
        let snapshot = self.registry.snapshot();
        let names: Vec<ServiceName> = self.serving.keys().cloned().collect();
        for name in names {
            let former = former.get(&name).map(|former| former.upstreams());
            self.refresh(&name, former.as_deref(), &snapshot);
        }
    }

    fn refresh(&mut self, name: &ServiceName, former: Option<&Upstreams>, snapshot: &Snapshot) {
        let Some(service) = self.serving.get(name).cloned() else { return };
        let upstreams = service.upstreams();
        let known = |id: &EndpointId| {
            former.and_then(|former| former.set.state(id)).or_else(|| upstreams.set.state(id))
        };
        let ground = Ground { names: &self.names, registry: snapshot, metrics: &self.metrics };
        let candidates = candidates(&service.config, &ground, &known);
        let rotation = self.rotations.entry(name.clone()).or_default();
        let turn = rotation.turn(candidates, &service.config.health, Instant::now());
        let Turn { set, backgrounds, next, panic_changed, well, on_duty } = turn;
        match next {
            Some(next) => _ = self.ramps.insert(name.clone(), next),
            None => _ = self.ramps.remove(name),
        }
        let metrics = self.endpoint_metrics.entry(name.clone());
        let metrics = metrics.or_insert_with(|| self.metrics.service(name.as_str()));
        let (service_name, endpoints) = (name.as_str(), set.members().len());
        metrics.endpoints.set(endpoints as i64);
        metrics.panicking.set(i64::from(rotation.is_panicking()));
        if let Some(panics) = panic_changed {
            tell_panic(&self.registry, &service.config, panics, well, on_duty);
        }
        // What traffic took out by itself, faster than any check, was heard of meanwhile.
        set.members().iter().for_each(|member| member.state.set_eligible(true));
        if !upstreams.set.lists_the_same(&set) {
            tracing::debug!(service = service_name, endpoints, "endpoints changed");
        } else if upstreams.backgrounds == backgrounds {
            return;
        }
        service.set_endpoints(set, backgrounds);
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// When the next name is due.
    pub(super) fn names_due(&self) -> Option<Instant> {
        self.names.next()
    }

    /// The services that serve.
    pub(super) fn serving(&self) -> &Serving {
        &self.serving
    }
}

/// Says, in the logs and among the registry's events, that requests go to all of a service's endpoints, or
/// no longer.
fn tell_panic(
    registry: &Registry,
    service: &config::Service,
    panics: bool,
    well: usize,
    on_duty: usize,
) {
    let (name, percent) = (service.name.as_str(), service.health.panic_percent);
    let count = format!("{well} of {on_duty} endpoints of `{name}` are well");
    let message = match panics {
        true => {
            tracing::warn!(service = name, well, on_duty, "too few are well, all are used");
            format!("{count}, less than {percent} %: requests go to all of them")
        }
        false => {
            tracing::info!(service = name, well, on_duty, "enough are well again");
            format!("{count}, enough again: requests go to those alone")
        }
    };
    let (own, registered) = sources(service);
    registry.note(Note::Panic { service: registered.unwrap_or(own), message });
}
