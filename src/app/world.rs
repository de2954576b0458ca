//! What is in effect: the services and routes that serve, and the switch to others.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;

use super::build::{Builder, Built, Serving, endpoint_set, report_loads};
use super::names::{Answer, Names, hosts, look_up};
use crate::config::{Config, Listener};
use crate::model::ListenerName;
use crate::plugin::balancer::BalancerHost;
use crate::proxy::tls::Resolver;
use crate::proxy::{Service, Shared};
use crate::telemetry::Metrics;

/// Everything that a reload replaces, and what it needs for that.
pub(super) struct World {
    pub config: Arc<Config>,
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
    ) -> Result<Self, Vec<super::BuildError>> {
        let mut names = Names::default();
        names.learn(look_up(names.unknown(&hosts(&config))).await, Instant::now());
        let config = Arc::new(config);
        let serving = Serving::new();
        let builder = Builder { host: &host, metrics: &metrics, names: &names, serving: &serving };
        let mut built = builder.build(config.clone())?;
        let mut listeners = BTreeMap::new();
        for listener in &config.listeners {
            let certificates = built
                .certificates
                .remove(&listener.name)
                .map(|loaded| Arc::new(Resolver::new(loaded)));
            let settings = Arc::new(ArcSwap::from_pointee(listener.clone()));
            listeners.insert(listener.name.clone(), ListenerHandle { settings, certificates });
        }
        let mut world = Self { config, host, metrics, shared, listeners, names, serving };
        world.publish(built);
        Ok(world)
    }

    /// Builds another configuration aside.
    pub(super) async fn build(&mut self, config: Config) -> Result<Built, Vec<super::BuildError>> {
        // Only names that are new are waited for.
        self.names.learn(look_up(self.names.unknown(&hosts(&config))).await, Instant::now());
        let builder = Builder {
            host: &self.host,
            metrics: &self.metrics,
            names: &self.names,
            serving: &self.serving,
        };
        builder.build(Arc::new(config))
    }

    /// Puts what was built into effect: routes and services with one store, then the rest.
    pub(super) fn publish(&mut self, built: Built) {
        let Built { config, services, table, certificates, to_tell } = built;
        self.shared.table.store(Arc::new(table));
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
        let former = mem::replace(&mut self.serving, services);
        for (name, Service { balancer, .. }) in former.iter().map(|(name, s)| (name, &**s)) {
            let goes_on =
                self.serving.get(name).is_some_and(|s| Arc::ptr_eq(&s.balancer, balancer));
            if !goes_on {
                balancer.retire();
            }
        }
        for service in self.serving.values() {
            service.balancer.publish();
            report_loads(&service.upstreams().set);
        }
        self.config = config;
    }

    /// The names whose answers are due, to be [looked up](look_up) beside the loop.
    pub(super) fn names_to_ask(&mut self) -> Vec<String> {
        self.names.take_due(&hosts(&self.config), Instant::now())
    }

    /// Takes answers, and publishes the endpoints that they change.
    pub(super) fn learn_names(&mut self, answers: Vec<Answer>) {
        self.names.learn(answers, Instant::now());
        for service in self.serving.values() {
            let former = service.upstreams().set.clone();
            let set = endpoint_set(&service.config, &self.names, Some(&former));
            if !former.lists_the_same(&set) {
                let (service_name, endpoints) = (service.config.name.as_str(), set.members().len());
                tracing::info!(service = service_name, endpoints, "addresses changed");
                service.set_endpoints(Arc::new(set));
            }
        }
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
