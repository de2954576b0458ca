//! Picks for clients that do not come through the proxy: by the strategy that serves a service, by any
//! that the configuration names, or natively.
//!
//! A service's own strategy is asked as a request would ask it, state and all. Another one gets an instance
//! of its own for that service, kept for the next questions, and made anew after a reload, or when it fails.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::admin::{NATIVE, NativePicker, PickError, Picker};
use crate::balance::{Ask, EndpointSet, MAX_TRIES, Member, RequestFacts, Spread, Tried, choose};
use crate::config::Strategy;
use crate::model::{Endpoint, EndpointId, ServiceKey, StrategyName};
use crate::plugin::Node;
use crate::plugin::balancer::{Balancer, BalancerHost};
use crate::proxy::{Service, affinity_key};
use crate::registry::Instance;

/// Strategies that are ready for services that they do not serve. With one more, that which was asked least
/// recently goes.
const MAX_READY: usize = 32;

/// What serves, as far as picking takes it. A reload publishes another.
#[derive(Default)]
pub(super) struct Live {
    pub strategies: BTreeMap<StrategyName, Arc<Strategy>>,
    /// Who takes a service's instances, by the registry's name of that.
    pub services: BTreeMap<ServiceKey, Arc<Service>>,
    pub node: Arc<Node>,
}

/// Picks by any strategy there is.
pub(super) struct LivePicker {
    native: NativePicker,
    host: Arc<BalancerHost>,
    live: Arc<ArcSwap<Live>>,
    /// The most recently asked last.
    ready: Mutex<Vec<Ready>>,
}

/// A strategy that is set up for a service that it does not serve.
#[derive(Clone)]
struct Ready {
    service: ServiceKey,
    balancer: Arc<Balancer>,
    spread: Arc<Spread>,
    set: Arc<EndpointSet>,
}

impl Picker for LivePicker {
    fn pick(
        &self,
        service: &ServiceKey,
        eligible: &[Arc<Instance>],
        strategy: Option<&str>,
        key: Option<&str>,
    ) -> Result<usize, PickError> {
        let live = self.live.load_full();
        let serving = live.services.get(service);
        let own = serving.map(|serving| serving.config.strategy.as_str());
        let hash = key.map_or(0, |key| affinity_key(key.as_bytes()));
        match (serving, strategy) {
            (Some(serving), asked) if asked.is_none() || asked == own => {
                match by_own(serving, service, eligible, hash) {
                    Some(place) => Ok(place),
                    None => self.native.pick(service, eligible, None, key),
                }
            }
            (_, Some(name)) => match live.strategies.get(name) {
                Some(strategy) => self.by_other(&live, strategy, service, eligible, hash),
                None if NATIVE.contains(&name) => {
                    self.native.pick(service, eligible, strategy, key)
                }
                None => Err(PickError::NoStrategy { known: known(&live) }),
            },
            (_, None) => self.native.pick(service, eligible, None, key),
        }
    }
}

impl LivePicker {
    /// Picks by what `live` holds at that moment.
    pub(super) fn new(host: Arc<BalancerHost>, live: Arc<ArcSwap<Live>>) -> Self {
        Self { native: NativePicker::default(), host, live, ready: Mutex::default() }
    }

    fn by_other(
        &self,
        live: &Live,
        strategy: &Arc<Strategy>,
        service: &ServiceKey,
        eligible: &[Arc<Instance>],
        key: u64,
    ) -> Result<usize, PickError> {
        let set = EndpointSet::new(eligible.iter().filter_map(|instance| member(instance)));
        if set.is_empty() {
            return Err(PickError::Nobody);
        }
        let ready = match self.take(strategy, service) {
            Some(ready) if ready.set.lists_the_same(&set) => ready,
            Some(ready) => {
                let set = Arc::new(set);
                ready.balancer.set_endpoints(set.clone());
                Ready { set, ..ready }
            }
            None => self.set_up(live, strategy, service, Arc::new(set))?,
        };
        let tried = Tried::default();
        let ask = Ask { key, tried: &tried, request: &RequestFacts::default };
        let choice = choose(&*ready.balancer, &ready.spread, &ready.set, &ask);
        let chosen = choice.map(|choice| ready.set.members()[choice.index].endpoint.id.clone());
        self.keep(ready);
        let chosen = chosen.ok_or(PickError::Nobody)?;
        let place = eligible.iter().position(|i| i.record.id.as_str() == chosen.as_str());
        place.ok_or(PickError::Nobody)
    }

    /// A copy of what is ready for the service, unless a reload brought another strategy of that name.
    fn take(&self, strategy: &Arc<Strategy>, service: &ServiceKey) -> Option<Ready> {
        let ready = self.ready.lock();
        let found = ready.iter().find(|ready| {
            ready.service == *service && Arc::ptr_eq(&ready.balancer.spec().strategy, strategy)
        });
        found.cloned()
    }

    fn set_up(
        &self,
        live: &Live,
        strategy: &Arc<Strategy>,
        service: &ServiceKey,
        set: Arc<EndpointSet>,
    ) -> Result<Ready, PickError> {
        let made = self.host.load(strategy).and_then(|checked| {
            self.host.build(&service.name, strategy, &checked, &live.node, &set, None)
        });
        let balancer = made.map_err(|refusal| PickError::Unfit {
            strategy: strategy.name.to_string(),
            why: refusal.to_string(),
        })?;
        Ok(Ready { service: service.clone(), balancer, spread: Arc::default(), set })
    }

    /// Keeps it for the next question, in place of what there was, unless it failed: nobody looks after it.
    fn keep(&self, kept: Ready) {
        let name = &kept.balancer.spec().strategy.name;
        let mut ready = self.ready.lock();
        ready.retain(|r| r.service != kept.service || r.balancer.spec().strategy.name != *name);
        if kept.balancer.ready_slots() > 0 && !kept.balancer.is_tripped() {
            ready.push(kept);
        }
        let surplus = ready.len().saturating_sub(MAX_READY);
        ready.drain(..surplus);
    }
}

/// Asks the strategy that serves. Of a service that takes instances from elsewhere too, those are passed
/// over.
fn by_own(
    serving: &Service,
    service: &ServiceKey,
    eligible: &[Arc<Instance>],
    key: u64,
) -> Option<usize> {
    let upstreams = serving.upstreams();
    let mut tried = Tried::default();
    for _ in 0..MAX_TRIES {
        let ask = Ask { key, tried: &tried, request: &RequestFacts::default };
        let choice = choose(&*serving.balancer, &serving.spread, &upstreams.set, &ask)?;
        if let Some(miss) = choice.fallback {
            serving.balancer.metrics().fell_back(miss.place());
        }
        let subject = &upstreams.background(choice.index)?.subject;
        let place = eligible.iter().position(|instance| instance.record.id == subject.id);
        if subject.service == *service && place.is_some() {
            return place;
        }
        tried.add(choice.index);
    }
    None
}

/// An instance as a strategy sees it. Nobody connects by this address: a name needs no answer for it.
fn member(instance: &Instance) -> Option<Member> {
    let record = &instance.record;
    let ip = record.host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    Some(Member {
        endpoint: Endpoint {
            id: EndpointId::new(record.id.as_str()).ok()?,
            host: record.host.clone(),
            port: record.port,
            weight: record.weight,
            zone: record.zone.clone(),
            region: record.region.clone(),
            metadata: record.metadata.clone(),
        },
        address: SocketAddr::new(ip, record.port),
        state: instance.vitals.endpoint.clone(),
    })
}

/// The names of all strategies that can be asked for.
fn known(live: &Live) -> String {
    let mut names: Vec<&str> = live.strategies.keys().map(StrategyName::as_str).collect();
    names.extend(NATIVE);
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}
