//! Components to try, and endpoints for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proconsul::balance::{EndpointSet, EndpointState, Member, RequestFacts};
use proconsul::config::{HashOn, PluginLimits, PluginSource, Strategy};
use proconsul::model::{Endpoint, EndpointId, ServiceName, StrategyName, Weight};
use proconsul::plugin::balancer::{BalancerHost, BalancerSpec, Trial};
use proconsul::plugin::{HotEngine, Library, Node, Seeds, SimulatedClock};

use super::twin::{REGION, ZONE};

/// A component that has been compiled, and what makes its runs repeatable.
pub struct Subject {
    host: Arc<BalancerHost>,
    spec: BalancerSpec,
    seeds: Seeds,
    pub clock: SimulatedClock,
}

impl Subject {
    /// Compiles a shipped strategy.
    pub fn new(strategy: &str, config_json: &str) -> Self {
        static ENGINE: OnceLock<HotEngine> = OnceLock::new();
        let engine = ENGINE.get_or_init(|| HotEngine::new().unwrap()).clone();
        let (seeds, clock) = (Seeds::fixed(0), SimulatedClock::default());
        let library = Library::new(engine, None);
        let host = BalancerHost::simulated(library, seeds.clone(), clock.clone()).unwrap();
        let source = match std::env::var_os("PROCONSUL_PLUGIN_DIR") {
            Some(folder) => {
                PluginSource::File(PathBuf::from(folder).join(format!("{strategy}.wasm")))
            }
            None => PluginSource::BuiltIn(strategy.to_owned()),
        };
        let strategy = Strategy {
            name: StrategyName::new(strategy).unwrap(),
            source,
            config_json: config_json.to_owned(),
            hash_on: HashOn::None,
            // A busy machine must not cut a pick short.
            limits: PluginLimits {
                pick_deadline: Duration::from_secs(20),
                setup_deadline: Duration::from_secs(20),
                ..PluginLimits::default()
            },
        };
        let checked = host.load(&strategy).unwrap_or_else(|refusal| {
            panic!("{:?} {refusal}", strategy.source);
        });
        let spec = BalancerSpec {
            service: ServiceName::new("web").unwrap(),
            strategy: Arc::new(strategy),
            checked,
            node: Arc::new(Node { zone: ZONE.into(), region: REGION.into() }),
        };
        Self { host, spec, seeds, clock }
    }

    /// A fresh instance, and the seed that it drew.
    pub fn start(&self, seed: u64, set: &Arc<EndpointSet>) -> (Trial, u64) {
        self.clock.set_ms(1_000_000);
        self.seeds.rewind(seed);
        let drawn = self.seeds.next();
        self.seeds.rewind(seed);
        (Trial::new(&self.host, &self.spec, set).unwrap(), drawn)
    }
}

/// Endpoints by number and weight; the number gives id, zone and region, and the same one keeps its
/// loads from `former`.
pub fn set_of(list: &[(u16, u16)], former: &EndpointSet) -> Arc<EndpointSet> {
    Arc::new(EndpointSet::new(list.iter().map(|&(number, weight)| {
        let id = EndpointId::new(&format!("e{number}")).unwrap();
        let place = usize::from(number);
        Member {
            state: former.state(&id).unwrap_or_else(|| Arc::new(EndpointState::default())),
            endpoint: Endpoint {
                id,
                host: "127.0.0.1".into(),
                port: 1,
                weight: Weight::new(weight.into()).unwrap(),
                zone: [ZONE, "b", ""][place % 3].into(),
                region: [REGION, "s", ""][place / 3 % 3].into(),
                metadata: BTreeMap::new(),
            },
            address: ([127, 0, 0, 1], 1).into(),
        }
    })))
}

/// `count` endpoints of weight 1.
pub fn equals(count: u16) -> Arc<EndpointSet> {
    let list: Vec<_> = (0..count).map(|number| (number, 1)).collect();
    set_of(&list, &EndpointSet::default())
}

/// What the component picks; here it never fails.
pub fn pick(trial: &mut Trial, key: u64, attempt: u32) -> Option<u32> {
    trial.pick(key, attempt, &RequestFacts::default()).unwrap()
}
