//! Making what a configuration asks for, aside from what serves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::logs;
use super::members::{Ground, candidates, sources};
use super::names::Names;
use super::otlp;
use super::rotation::{Rotation, Turn};
use crate::admin::AuthError;
use crate::balance::{EndpointSet, Member, Spread};
use crate::config::{self, Config, Listener, Places, PluginSource, Problem, RouteAction, Strategy};
use crate::health::state::PassiveSettings;
use crate::health::{Plan, TrafficInbox};
use crate::model::{
    ChannelName, CheckKind, CheckName, EndpointId, ListenerName, ServiceName, StrategyName,
};
use crate::plugin::alert_channel::{AlertChannel, AlertChannelHost};
use crate::plugin::balancer::{Balancer, BalancerHost, Checked};
use crate::plugin::health_check::{HealthCheckHost, HealthChecker, SystemResolver};
use crate::plugin::{AsyncEngine, EngineError, HotEngine, Library, Node, Refusal, Seeds};
use crate::proxy::route::Route;
use crate::proxy::tls::{CertificateError, Certificates};
use crate::proxy::{PeerError, RouteTable, Service};
use crate::registry::Snapshot;
use crate::telemetry::Metrics;
use crate::telemetry::otlp::StartError;

/// Why a configuration that is valid in itself cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("strategies.{strategy}: plugin {plugin} {refusal} (used by service `{service}`)")]
    Plugin {
        service: ServiceName,
        strategy: StrategyName,
        plugin: String,
        /// The service names it directly, without an entry in `[strategies]`.
        direct: bool,
        refusal: Box<Refusal>,
    },
    #[error("checks.{check}: plugin {refusal}")]
    Check { check: CheckName, refusal: Box<Refusal> },
    #[error("alerts.channels.{channel}: plugin {refusal}")]
    Channel { channel: ChannelName, refusal: Box<Refusal> },
    #[error("services.{service}.tls: {error}")]
    Peer { service: ServiceName, error: PeerError },
    #[error("listeners.{listener}.tls: {error}")]
    Certificate { listener: ListenerName, error: CertificateError },
    #[error("log writer {writer}: {}: {error}", place.display())]
    Log { writer: String, place: PathBuf, error: std::io::Error },
    #[error("otlp.tls: {error}")]
    Otlp { error: StartError },
    #[error("admin.auth.jwt: {error}")]
    Auth { error: AuthError },
    #[error("plugin engine: {0}")]
    Engine(String),
}

impl BuildError {
    /// The same, at its place in the configuration.
    pub fn locate(&self, places: &Places) -> Problem {
        match self {
            BuildError::Plugin { service, strategy, plugin, direct, refusal } => {
                let keys = match (direct, &**refusal) {
                    (true, _) => ["services", service.as_str(), "strategy"],
                    (_, Refusal::Declined { .. }) => ["strategies", strategy.as_str(), "config"],
                    _ => ["strategies", strategy.as_str(), "plugin"],
                };
                let what = format!("plugin {plugin} {refusal} (used by service `{service}`)");
                places.problem(&keys, &what)
            }
            BuildError::Auth { error } => {
                places.problem(&["admin", "auth", "jwt", "jwks"], &error.to_string())
            }
            BuildError::Otlp { error } => places.problem(&["otlp", "tls"], &error.to_string()),
            BuildError::Check { check, refusal } => {
                let key = match **refusal {
                    Refusal::Declined { .. } => "config",
                    _ => "plugin",
                };
                places.problem(&["checks", check.as_str(), key], &format!("plugin {refusal}"))
            }
            BuildError::Channel { channel, refusal } => {
                let key = match **refusal {
                    Refusal::Declined { .. } => "config",
                    _ => "plugin",
                };
                let keys = ["alerts", "channels", channel.as_str(), key];
                places.problem(&keys, &format!("plugin {refusal}"))
            }
            BuildError::Peer { service, error } => {
                places.problem(&["services", service.as_str(), "tls"], &error.to_string())
            }
            BuildError::Certificate { listener, error } => {
                places.problem(&["listeners", listener.as_str(), "tls"], &error.to_string())
            }
            BuildError::Log { writer, place, error } => {
                let keys: &[&str] = match writer.as_str() {
                    "access_log" => &["access_log", "target"],
                    "log" => &["log"],
                    writer => &["log", "writers", writer],
                };
                places.problem(keys, &format!("{}: {error}", place.display()))
            }
            BuildError::Engine(error) => places.problem(&["plugins"], error),
        }
    }
}

/// What a configuration became. Nothing of it serves yet.
pub(super) struct Built {
    pub config: Arc<Config>,
    pub services: BTreeMap<ServiceName, Arc<Service>>,
    pub table: RouteTable,
    pub certificates: BTreeMap<ListenerName, Certificates>,
    /// `None`: those that there are.
    pub logs: Option<logs::Opened>,
    pub otlp: otlp::Change,
    /// Balancers that go on serving, with other endpoints.
    pub to_tell: Vec<(Arc<Balancer>, Arc<EndpointSet>)>,
    /// What is to be checked, and the components that do it.
    pub plan: Plan,
    pub checkers: Checkers,
    /// The components of alert channels.
    pub channels: Channels,
    /// What it was built with.
    pub names: Names,
}

/// What serves now, for what is new to take over from.
pub(super) type Serving = BTreeMap<ServiceName, Arc<Service>>;

/// The components of checks, by the checks' names.
pub(super) type Checkers = BTreeMap<CheckName, Arc<HealthChecker>>;

/// The components of alert channels, by the channels' names.
pub(super) type Channels = BTreeMap<ChannelName, Arc<AlertChannel>>;

/// Everything that building takes, and nothing of what goes on beside it.
pub(super) struct Builder {
    pub host: Arc<BalancerHost>,
    pub check_host: Arc<HealthCheckHost>,
    /// Those that are in use now.
    pub checkers: Checkers,
    pub channel_host: Arc<AlertChannelHost>,
    /// Likewise.
    pub channels: Channels,
    pub metrics: Metrics,
    pub names: Names,
    pub registry: Arc<Snapshot>,
    pub serving: Serving,
    pub rotations: BTreeMap<ServiceName, Rotation>,
    pub traffic: TrafficInbox,
}

impl Builder {
    /// Builds everything, or says everything that cannot be built. Takes as long as plugins take to be
    /// compiled and set up.
    pub(super) fn build(self, config: Arc<Config>) -> Result<Built, Vec<BuildError>> {
        let mut errors = Vec::new();
        let node = Arc::new(Node {
            zone: config.server.zone.clone(),
            region: config.server.region.clone(),
        });
        let mut certificates = BTreeMap::new();
        for Listener { name, tls, .. } in &config.listeners {
            match tls.as_ref().map(Certificates::load).transpose() {
                Ok(loaded) => certificates.extend(loaded.map(|loaded| (name.clone(), loaded))),
                Err(error) => {
                    errors.push(BuildError::Certificate { listener: name.clone(), error });
                }
            }
        }
        let mut components = Components::default();
        let mut to_tell = Vec::new();
        let mut services = BTreeMap::new();
        for (name, service) in &config.services {
            let strategy = &config.strategies[&service.strategy];
            let made = self.service(service, strategy, &node, &mut components, &mut to_tell);
            match made {
                Ok(made) => _ = services.insert(name.clone(), made),
                Err(error) => errors.push(error),
            }
        }
        let checkers = self.checkers(&config, &mut errors);
        let channels = self.channels(&config, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let plan = plan(&config, &checkers);
        let table = self.table(&config, &services);
        let (logs, otlp) = (None, otlp::Change::Stays);
        let names = self.names;
        Ok(Built {
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
        })
    }

    /// The components of checks. What did not change is the same object.
    fn checkers(&self, config: &Config, errors: &mut Vec<BuildError>) -> Checkers {
        let mut checkers = Checkers::new();
        for (name, check) in &config.checks {
            let CheckKind::Plugin(plugin) = &check.kind else { continue };
            let (limits, former) = (&config.plugins.limits, self.checkers.get(name));
            match self.check_host.load(plugin, name, limits, former) {
                Ok(checker) => _ = checkers.insert(name.clone(), checker),
                Err(refusal) => {
                    let (check, refusal) = (name.clone(), Box::new(refusal));
                    errors.push(BuildError::Check { check, refusal });
                }
            }
        }
        checkers
    }

    /// The components of alert channels. What did not change is the same object.
    fn channels(&self, config: &Config, errors: &mut Vec<BuildError>) -> Channels {
        let mut channels = Channels::new();
        for (name, settings) in &config.alerts.channels {
            let (limits, former) = (&config.plugins.limits, self.channels.get(name));
            match self.channel_host.load(settings, limits, former) {
                Ok(channel) => _ = channels.insert(name.clone(), channel),
                Err(refusal) => {
                    let (channel, refusal) = (name.clone(), Box::new(refusal));
                    errors.push(BuildError::Channel { channel, refusal });
                }
            }
        }
        channels
    }

    fn table(&self, config: &Config, services: &Serving) -> RouteTable {
        let routes = config.routes.iter().filter_map(|route| {
            let service = match &route.action {
                RouteAction::Forward { service, .. } => services.get(service).cloned(),
                RouteAction::Redirect(_) => None,
            };
            let service_name = service.as_ref().map_or("", |s| s.config.name.as_str());
            let metrics = self.metrics.route(service_name, route.name.as_str());
            Route::new(route.clone(), service, metrics).map(Arc::new)
        });
        RouteTable::new(routes.collect())
    }

    fn service(
        &self,
        service: &Arc<config::Service>,
        strategy: &Arc<Strategy>,
        node: &Arc<Node>,
        components: &mut Components,
        to_tell: &mut Vec<(Arc<Balancer>, Arc<EndpointSet>)>,
    ) -> Result<Arc<Service>, BuildError> {
        let refused = |refusal| BuildError::Plugin {
            service: service.name.clone(),
            strategy: strategy.name.clone(),
            direct: matches!(&strategy.source, PluginSource::BuiltIn(name) if *name == strategy.name.as_str()),
            plugin: match &strategy.source {
                PluginSource::BuiltIn(name) => format!("`{name}`"),
                PluginSource::File(path) => path.display().to_string(),
            },
            refusal: Box::new(refusal),
        };
        let former = self.serving.get(&service.name);
        let former_set = former.map(|former| former.upstreams().set.clone());
        let known = |id: &EndpointId| former_set.as_ref()?.state(id);
        let ground =
            Ground { names: &self.names, registry: &self.registry, metrics: &self.metrics };
        // A copy: what is built aside must not show.
        let mut rotation = self.rotations.get(&service.name).cloned().unwrap_or_default();
        let candidates = candidates(service, &ground, &known);
        let Turn { set, backgrounds, .. } =
            rotation.turn(candidates, &service.health, Instant::now());
        let set = Arc::new(set);
        let same_set = former_set.as_ref().is_some_and(|former| former.lists_the_same(&set));

        let checked = components.load(&self.host, strategy).map_err(refused)?;
        let goes_on = former
            .map(|former| &former.balancer)
            .filter(|balancer| balancer.is_built_from(strategy, &checked, node));
        let balancer = match goes_on {
            Some(balancer) if same_set => balancer.clone(),
            Some(balancer) => {
                self.host.rehearse(balancer, &set).map_err(refused)?;
                to_tell.push((balancer.clone(), set.clone()));
                balancer.clone()
            }
            None => {
                let previous = former.map(|former| &*former.balancer);
                let made = self.host.build(&service.name, strategy, &checked, node, &set, previous);
                made.map_err(refused)?
            }
        };
        // Certificates may have changed behind the same configuration: those are read again.
        if let Some(former) = former
            && same_set
            && Arc::ptr_eq(&balancer, &former.balancer)
            && former.config == *service
            && service.upstream.tls.is_none()
        {
            return Ok(former.clone());
        }
        let spread = former.map_or_else(|| Arc::new(Spread::default()), |f| f.spread.clone());
        Service::new(service.clone(), balancer, spread, set, backgrounds, self.traffic.clone())
            .map(Arc::new)
            .map_err(|error| BuildError::Peer { service: service.name.clone(), error })
    }
}

/// What is to be checked.
fn plan(config: &Config, checkers: &Checkers) -> Plan {
    let mut plan = Plan {
        passive_default: passive(&config.health),
        max_concurrent: config.health.max_concurrent,
        ..Plan::default()
    };
    for (name, checker) in checkers {
        if let CheckKind::Plugin(plugin) = &config.checks[name].kind {
            plan.plugins.insert(plugin.clone(), checker.clone());
        }
    }
    for service in config.services.values() {
        let (own, registered) = sources(service);
        for key in registered.into_iter().chain([own]).collect::<BTreeSet<_>>() {
            plan.passive.insert(key.clone(), passive(&service.health));
            plan.by_service.entry(key).or_default().extend(service.checks.iter().cloned());
        }
    }
    plan
}

/// What traffic does to the instances of a service.
fn passive(health: &config::Health) -> Option<PassiveSettings> {
    let (failures, rest) = (health.passive_failures, health.passive_rest);
    health.passive.then_some(PassiveSettings { failures, rest })
}

/// Components that were read in this build: each once, however many services use it.
#[derive(Default)]
struct Components(HashMap<PluginSource, Checked>);

impl Components {
    fn load(&mut self, host: &BalancerHost, strategy: &Strategy) -> Result<Checked, Refusal> {
        if let Some(checked) = self.0.get(&strategy.source) {
            return Ok(checked.clone());
        }
        let checked = host.load(strategy)?;
        self.0.insert(strategy.source.clone(), checked.clone());
        Ok(checked)
    }
}

/// Takes over what endpoints' metadata says of their load. Not while building: a configuration that
/// is refused must not show.
pub(super) fn report_loads(set: &EndpointSet) {
    for Member { endpoint, state, .. } in set.members() {
        let reported = |key: &str| endpoint.metadata.get(key).and_then(|v| v.parse().ok());
        state.report(reported("load.cpu"), reported("load.memory"));
    }
}

/// Does what a reload does, short of serving: `proconsul check`.
pub async fn check(config: Config) -> Result<(), Vec<BuildError>> {
    super::api::auth(&config).map_err(|error| vec![error])?;
    otlp::try_out(config.otlp.as_ref()).map_err(|error| vec![error])?;
    let metrics = Metrics::new();
    let hosts = PluginHosts::new(&config, 1, &metrics)
        .map_err(|error| vec![BuildError::Engine(error.to_string())])?;
    let mut names = Names::default();
    let unknown = names.unknown(&super::names::hosts(&config, &Snapshot::default()));
    names.learn(super::names::look_up(unknown).await, Instant::now());
    let traffic = TrafficInbox::unheard();
    let (registry, serving, rotations, checkers, channels) = Default::default();
    let PluginHosts { host, check_host, channel_host } = hosts;
    let builder = Builder {
        host,
        check_host,
        checkers,
        channel_host,
        channels,
        metrics,
        names,
        registry,
        serving,
        rotations,
        traffic,
    };
    builder.build(Arc::new(config)).map(|_| ())
}

/// What plugins of each kind live in.
pub(super) struct PluginHosts {
    pub host: Arc<BalancerHost>,
    pub check_host: Arc<HealthCheckHost>,
    pub channel_host: Arc<AlertChannelHost>,
}

impl PluginHosts {
    /// Hosts for so many proxy threads.
    pub(super) fn new(
        config: &Config,
        threads: usize,
        metrics: &Metrics,
    ) -> Result<Self, EngineError> {
        let cache = config.plugins.cache_directory.as_deref();
        let seeds = Seeds::from_entropy();
        let hot = Library::new(HotEngine::new()?, cache);
        let host = BalancerHost::new(hot, threads, seeds, metrics.clone())?;
        let patient = Arc::new(Library::new(AsyncEngine::new()?, cache));
        let resolver = Arc::new(SystemResolver::default());
        let seeds = Seeds::from_entropy();
        let check_host = HealthCheckHost::new(
            patient.clone(),
            seeds.clone(),
            metrics.clone(),
            resolver.clone(),
        )?;
        let channel_host = AlertChannelHost::new(patient, seeds, metrics.clone(), resolver)?;
        Ok(Self { host, check_host, channel_host })
    }
}
