//! `GET /v1/services/{service}/pick` by the strategies that route requests: who picks there gets whom the proxy
//! itself would have asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::admin::{NativePicker, PickError, Picker};
use crate::balance::{Ask, RequestFacts, Tried, choose};
use crate::model::ServiceKey;
use crate::proxy::{Service, affinity_key};
use crate::registry::Instance;

/// The services that take the instances of a service of the registry.
pub(super) type Takers = BTreeMap<ServiceKey, Vec<Arc<Service>>>;

/// Picks by the strategy of a service that takes the instances in question; where none does, natively.
#[derive(Default)]
pub(super) struct LivePicker {
    takers: ArcSwap<Takers>,
    native: NativePicker,
}

impl LivePicker {
    /// Goes by other services from now on.
    pub(super) fn follow(&self, takers: Takers) {
        self.takers.store(Arc::new(takers));
    }
}

impl Picker for LivePicker {
    fn pick(
        &self,
        service: &ServiceKey,
        eligible: &[Arc<Instance>],
        strategy: Option<&str>,
        key: Option<&str>,
    ) -> Result<usize, PickError> {
        let takers = self.takers.load();
        let takers = takers.get(service).map_or(&[][..], Vec::as_slice);
        let taker = match strategy {
            Some(name) => takers.iter().find(|taker| strategy_of(taker) == name),
            None => takers.first(),
        };
        // The strategy may know endpoints that the registry does not, or not yet: then it is no answer.
        let place = taker.and_then(|taker| place(taker, eligible, key));
        match (place, taker) {
            (Some(place), _) => Ok(place),
            (None, Some(_)) => self.native.pick(service, eligible, None, key),
            (None, None) => {
                self.native.pick(service, eligible, strategy, key).map_err(|error| match error {
                    PickError::NoStrategy { known } => {
                        let live = takers.iter().map(|taker| strategy_of(taker));
                        let known = live.chain([known.as_str()]).collect::<Vec<_>>().join(", ");
                        PickError::NoStrategy { known }
                    }
                    nobody @ PickError::Nobody => nobody,
                })
            }
        }
    }
}

fn strategy_of(service: &Service) -> &str {
    service.balancer.spec().strategy.name.as_str()
}

/// Whom `service` would send a request with this key, as a place among `eligible`.
fn place(service: &Service, eligible: &[Arc<Instance>], key: Option<&str>) -> Option<usize> {
    let upstreams = service.upstreams();
    let tried = Tried::default();
    // As a request's: what `hash_on` names is hashed so, too.
    let key = key.map_or(0, |key| affinity_key(key.as_bytes()));
    let ask = Ask { key, tried: &tried, request: &RequestFacts::default };
    let choice = choose(&*service.balancer, &service.spread, &upstreams.set, &ask)?;
    if let Some(miss) = choice.fallback {
        service.balancer.metrics().fell_back(miss.place());
    }
    let picked = &upstreams.background(choice.index)?.subject;
    eligible.iter().position(|i| i.record.id == picked.id && i.record.service == picked.service)
}
