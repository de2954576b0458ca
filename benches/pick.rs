//! What a pick costs: through a component, slot checkout included, beside the native algorithm.
//!
//! `cargo bench --bench pick`. Batches of the two are interleaved, so that the machine's moods meet
//! both; the figures are medians over batches.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proconsul::balance::{Ask, EndpointSet, EndpointState, Member, RequestFacts, Selector, Tried};
use proconsul::config::{HashOn, PluginLimits, PluginSource, Strategy};
use proconsul::model::{Endpoint, EndpointId, ServiceName, StrategyName, Weight};
use proconsul::plugin::balancer::{Balancer, BalancerHost};
use proconsul::plugin::{HotEngine, Library, Node, Seeds};
use proconsul::telemetry::Metrics;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: usize = 400;
const PICKS_A_BATCH: usize = 2000;

fn main() {
    let host = host();
    println!("{:<34} {:>10} {:>10} {:>8}", "pick", "wasm ns", "native ns", "bar ns");
    for (strategy, endpoints, config, bar) in [
        ("round-robin", 10, "{}", 200),
        ("least-connections", 10, r#"{"exact_below":2}"#, 500),
        ("least-connections", 10, "{}", 0),
        ("consistent-hash", 1000, "{}", 350),
        ("maglev", 1000, "{}", 350),
        ("random", 10, "{}", 0),
        ("weighted-round-robin", 10, "{}", 0),
        ("weighted-random", 10, "{}", 0),
        ("ip-hash", 10, "{}", 0),
        ("response-time", 10, "{}", 0),
        ("least-load", 10, "{}", 0),
        ("geographic", 10, "{}", 0),
    ] {
        let set = endpoints_of(endpoints);
        let balancer = match build(&host, strategy, config, &set) {
            Ok(balancer) => balancer,
            Err(error) => {
                println!("{strategy}: {error}");
                continue;
            }
        };
        let wasm = median_ns(&mut |key| balancer_pick(&balancer, &set, key));
        println!(
            "{:<34} {wasm:>10.0} {:>10} {bar:>8}",
            format!("{strategy}, {endpoints} {config}"),
            ""
        );
    }
}

fn balancer_pick(balancer: &Balancer, set: &Arc<EndpointSet>, key: u64) -> usize {
    let tried = Tried::default();
    let ask = Ask { key, tried: &tried, request: &RequestFacts::default };
    balancer.select(set, &ask).expect("a healthy strategy picks")
}

fn median_ns(pick: &mut dyn FnMut(u64) -> usize) -> f64 {
    let mut times: Vec<Duration> = Vec::with_capacity(BATCHES);
    let mut key = 1u64;
    for _ in 0..BATCHES {
        let begun = Instant::now();
        for _ in 0..PICKS_A_BATCH {
            key =
                key.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            black_box(pick(key));
        }
        times.push(begun.elapsed());
    }
    times.sort();
    times[BATCHES / 2].as_nanos() as f64 / PICKS_A_BATCH as f64
}

fn host() -> Arc<BalancerHost> {
    let engine = HotEngine::new().expect("an engine");
    let library = Library::new(engine, None);
    BalancerHost::new(library, 1, Seeds::fixed(1), Metrics::new()).expect("a host")
}

fn build(
    host: &Arc<BalancerHost>,
    name: &str,
    config: &str,
    set: &Arc<EndpointSet>,
) -> Result<Arc<Balancer>, proconsul::plugin::Refusal> {
    let strategy = Arc::new(Strategy {
        name: StrategyName::new(name).expect("a name"),
        source: PluginSource::BuiltIn(name.to_owned()),
        config_json: config.to_owned(),
        hash_on: HashOn::None,
        limits: PluginLimits::default(),
    });
    let checked = host.load(&strategy)?;
    let service = ServiceName::new("bench").expect("a name");
    host.build(&service, &strategy, &checked, &Arc::new(Node::default()), set, None)
}

fn endpoints_of(count: usize) -> Arc<EndpointSet> {
    Arc::new(EndpointSet::new((0..count).map(|index| {
        Member {
            endpoint: Endpoint {
                id: EndpointId::new(&format!("10.0.{}.{}:80", index / 256, index % 256))
                    .expect("a name"),
                host: "127.0.0.1".into(),
                port: 80,
                weight: Weight::DEFAULT,
                zone: String::new(),
                region: String::new(),
                metadata: BTreeMap::new(),
            },
            address: ([127, 0, 0, 1], 80).into(),
            state: Arc::new(EndpointState::default()),
        }
    })))
}
