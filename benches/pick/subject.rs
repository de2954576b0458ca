//! What is measured: the strategies, the endpoints that they choose from, and the components.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use proconsul::balance::{EndpointSet, EndpointState, Member};
use proconsul::config::{HashOn, PluginLimits, PluginSource, Strategy};
use proconsul::model::{Endpoint, EndpointId, ServiceName, StrategyName, Weight};
use proconsul::plugin::balancer::{Balancer, BalancerHost};
use proconsul::plugin::{HotEngine, Library, Node, Seeds};
use proconsul::telemetry::Metrics;

/// The seed of every generator, so that runs can be repeated.
pub const SEED: u64 = 1;

/// Far above any pick: under an instruction counter a thread may not run for long.
const PICK_DEADLINE: Duration = Duration::from_secs(10);

/// One line of the table.
pub struct Case {
    pub strategy: &'static str,
    pub endpoints: usize,
    /// As the plugin reads it.
    pub config: &'static str,
    /// The most that the median may be; 0 = no bar.
    pub bar_ns: u32,
}

const fn case(strategy: &'static str, endpoints: usize, bar_ns: u32) -> Case {
    Case { strategy, endpoints, config: "{}", bar_ns }
}

/// In the order of the table. The first of a strategy is what `--count` runs.
pub const CASES: &[Case] = &[
    case("round-robin", 10, 200),
    // Ten are more than the eight up to which all are compared: two are drawn.
    case("least-connections", 10, 500),
    case("consistent-hash", 1000, 350),
    case("maglev", 1000, 350),
    Case { config: r#"{"exact_up_to":10}"#, ..case("least-connections", 10, 0) },
    case("random", 10, 0),
    case("weighted-round-robin", 10, 0),
    case("weighted-random", 10, 0),
    case("ip-hash", 10, 0),
    case("response-time", 10, 0),
    case("least-load", 10, 0),
    case("geographic", 10, 0),
];

/// A strategy as the proxy runs it.
pub struct Component<'a> {
    pub host: &'a Arc<BalancerHost>,
    pub case: &'a Case,
}

impl Component<'_> {
    pub fn build(&self, set: &Arc<EndpointSet>) -> Result<Arc<Balancer>> {
        let name = self.case.strategy;
        let strategy = Arc::new(Strategy {
            name: StrategyName::new(name)?,
            source: PluginSource::BuiltIn(name.to_owned()),
            config_json: self.case.config.to_owned(),
            hash_on: HashOn::None,
            limits: PluginLimits { pick_deadline: PICK_DEADLINE, ..PluginLimits::default() },
        });
        let checked = self.host.load(&strategy).with_context(|| name.to_owned())?;
        let node = Arc::new(Node::default());
        let service = ServiceName::new("bench")?;
        let built = self.host.build(&service, &strategy, &checked, &node, set, None);
        built.with_context(|| name.to_owned())
    }
}

/// A host for one thread, without a cache on disk.
pub fn host() -> Result<Arc<BalancerHost>> {
    let library = Library::new(HotEngine::new()?, None);
    Ok(BalancerHost::new(library, 1, Seeds::fixed(SEED), Metrics::new())?)
}

/// Endpoints of equal weight with a few requests in flight each, not the same number.
pub fn endpoints_of(count: usize) -> Result<Arc<EndpointSet>> {
    let member = |index: usize| {
        let state = EndpointState::default();
        (0..index % 4).for_each(|_| state.enter());
        let id = EndpointId::new(&format!("10.0.{}.{}:80", index / 256, index % 256))?;
        let endpoint = Endpoint {
            id,
            host: "127.0.0.1".into(),
            port: 80,
            weight: Weight::DEFAULT,
            zone: String::new(),
            region: String::new(),
            metadata: BTreeMap::new(),
        };
        Ok(Member { endpoint, address: ([127, 0, 0, 1], 80).into(), state: Arc::new(state) })
    };
    Ok(Arc::new(EndpointSet::new((0..count).map(member).collect::<Result<Vec<_>>>()?)))
}
