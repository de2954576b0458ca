//! What is in effect: the services and routes that serve, and the switch to others.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::BuildError;
use super::access_log::{self, Change};
use super::build::{Builder, Built, Serving, endpoint_set, report_loads};
use super::names::{Answer, Names, hosts, look_up};
use super::reloader::{Cause, report};
use crate::admin::{ReloadReport, ReloadResult};
use crate::config::{AccessLogTarget, Config, Listener};
use crate::model::{EndpointId, ListenerName};
use crate::plugin::balancer::BalancerHost;
use crate::proxy::tls::Resolver;
use crate::proxy::{Service, Shared};
use crate::telemetry::{Metrics, log};

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
    names: Names,
    serving: Serving,
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
        host: Arc<BalancerHost>,
        metrics: Metrics,
        shared: Arc<Shared>,
    ) -> Result<Self, Vec<BuildError>> {
        let mut names = Names::default();
        names.learn(look_up(names.unknown(&hosts(&config))).await, Instant::now());
        let config = Arc::new(config);
        let builder = Builder {
            host: host.clone(),
            metrics: metrics.clone(),
            names,
            serving: Serving::new(),
        };
        let mut built = builder.build(config.clone())?;
        built.access_log = access_log::open(&config.access_log, &metrics).map_err(|e| vec![e])?;
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
            names: Names::default(),
            serving: Serving::new(),
        };
        world.publish(built);
        Ok(world)
    }

    /// Names in a configuration that were never asked for.
    pub(super) fn names_unknown(&self, config: &Config) -> Vec<String> {
        self.names.unknown(&hosts(config))
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
            metrics: self.metrics.clone(),
            names,
            serving: self.serving.clone(),
        };
        let (log_stays, metrics) =
            (config.access_log == self.config.access_log, self.metrics.clone());
        move || {
            let config = Arc::new(config);
            let mut built = builder.build(config.clone())?;
            if !log_stays {
                // Last: a refused configuration leaves no file.
                let opened = access_log::open(&config.access_log, &metrics);
                built.access_log = opened.map_err(|error| vec![error])?;
            }
            Ok(built)
        }
    }

    /// Puts what was built into effect: routes and services with one store, then the rest.
    pub(super) fn publish(&mut self, built: Built) {
        let Built { config, services, table, certificates, access_log, to_tell, names } = built;
        self.shared.table.store(Arc::new(table));
        if let Change::Becomes(log) = access_log {
            self.shared.access_log.store(log);
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
        self.names.adopt(names);
        self.refresh_endpoints(&former); // names may have been answered while it was built
        for service in self.serving.values() {
            service.balancer.publish();
            report_loads(&service.upstreams().set);
        }
        if config.log.level != self.config.log.level {
            log::set_filter(&config.log.level);
        }
        self.config = config;
    }

    /// Opens the access log's file again: what was there may have been moved away.
    pub(super) fn reopen_access_log(&self) -> Result<(), BuildError> {
        let config = &self.config.access_log;
        if let AccessLogTarget::File(_) = config.target
            && let Change::Becomes(log) = access_log::open(config, &self.metrics)?
        {
            self.shared.access_log.store(log);
        }
        Ok(())
    }

    /// The names whose answers are due, to be [looked up](look_up) beside the loop.
    pub(super) fn names_to_ask(&mut self) -> Vec<String> {
        self.names.take_due(&hosts(&self.config), Instant::now())
    }

    /// Takes answers, and publishes the endpoints that they change.
    pub(super) fn learn_names(&mut self, answers: Vec<Answer>) {
        self.names.learn(answers, Instant::now());
        self.refresh_endpoints(&self.serving);
    }

    /// Gives services the addresses that names stand for now. Endpoints that are new to a service
    /// may be known in `former`.
    fn refresh_endpoints(&self, former: &Serving) {
        for (name, service) in &self.serving {
            let set = service.upstreams().set.clone();
            let former = former.get(name).map(|former| former.upstreams().set.clone());
            let known = |id: &EndpointId| {
                former.as_ref().and_then(|former| former.state(id)).or_else(|| set.state(id))
            };
            let fresh = endpoint_set(&service.config, &self.names, &known);
            if !set.lists_the_same(&fresh) {
                let (service_name, endpoints) = (name.as_str(), fresh.members().len());
                tracing::info!(service = service_name, endpoints, "addresses changed");
                service.set_endpoints(Arc::new(fresh));
            }
        }
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
