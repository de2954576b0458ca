//! The native twins: the same algorithms, compiled for this machine, behind the same questions.

use proconsul::balance::EndpointSet;
use proconsul::plugin::SimulatedClock;
use proconsul_algorithms::{self as algorithms, *};

/// An algorithm, whichever it is.
pub trait Twin {
    fn set_endpoints(&mut self, set: &EndpointSet);
    fn pick(&mut self, key: u64, attempt: u32, loads: &Loads<'_>) -> Option<u32>;
}

impl<S: algorithms::Strategy> Twin for S {
    fn set_endpoints(&mut self, set: &EndpointSet) {
        let addresses: Vec<_> = set.members().iter().map(|m| m.address.to_string()).collect();
        let endpoints: Vec<_> = set
            .members()
            .iter()
            .zip(&addresses)
            .map(|(member, address)| algorithms::Endpoint {
                id: member.endpoint.id.as_str(),
                address,
                weight: member.endpoint.weight.get(),
                zone: &member.endpoint.zone,
                region: &member.endpoint.region,
            })
            .collect();
        algorithms::Strategy::set_endpoints(self, &endpoints);
    }

    fn pick(&mut self, key: u64, attempt: u32, loads: &Loads<'_>) -> Option<u32> {
        algorithms::Strategy::pick(self, key, attempt, loads)
    }
}

/// What the component reads through its imports.
pub struct Loads<'a> {
    pub set: &'a EndpointSet,
    pub clock: &'a SimulatedClock,
}

impl Host for Loads<'_> {
    fn active(&self, index: u32) -> u32 {
        self.set.members().get(index as usize).map_or(0, |member| member.state.active())
    }

    fn active_all(&self, into: &mut Vec<u32>) {
        into.clear();
        into.extend(self.set.members().iter().map(|member| member.state.active()));
    }

    fn latency_us(&self, index: u32) -> u32 {
        let member = self.set.members().get(index as usize);
        member.map_or(0, |member| member.state.latency().read_us(self.clock.now_ms()))
    }

    fn reported(&self, index: u32) -> Reported {
        let member = self.set.members().get(index as usize);
        member.map_or(Reported::NOTHING, |member| {
            let (cpu, memory) = member.state.reported();
            Reported { cpu, memory }
        })
    }
}

/// Where the proxy runs, in every test here.
pub const ZONE: &str = "a";
/// Likewise.
pub const REGION: &str = "r";

/// The twin of a shipped strategy, in the configurations that are tried: as JSON, and natively.
pub fn twin(strategy: &str, config_json: &str, seed: u64) -> Box<dyn Twin> {
    let near = |min_share, demand| GeographicConfig {
        zone: ZONE.into(),
        region: REGION.into(),
        min_share,
        demand,
    };
    match (strategy, config_json) {
        ("round-robin", "{}") => Box::new(RoundRobin::new(seed)),
        ("random", "{}") => Box::new(Random::new(seed)),
        ("weighted-random", "{}") => Box::new(WeightedRandom::new(seed)),
        ("weighted-round-robin", "{}") => Box::new(WeightedRoundRobin::new()),
        ("ip-hash", "{}") => Box::new(IpHash::new(seed)),
        ("least-connections", "{}") => Box::new(LeastConnections::new(Default::default(), seed)),
        ("least-connections", r#"{"exact_up_to":9}"#) => {
            Box::new(LeastConnections::new(LeastConnectionsConfig { exact_up_to: 9 }, seed))
        }
        ("response-time", "{}") => Box::new(ResponseTime::new(Default::default(), seed)),
        ("least-load", "{}") => Box::new(LeastLoad::new(Default::default(), seed).unwrap()),
        ("least-load", r#"{"cpu":1.5,"memory":0.0,"exact_up_to":16}"#) => {
            let config =
                LeastLoadConfig { cpu: 1.5, memory: 0.0, exact_up_to: 16, ..Default::default() };
            Box::new(LeastLoad::new(config, seed).unwrap())
        }
        ("consistent-hash", "{}") => {
            Box::new(ConsistentHash::new(Default::default(), seed).unwrap())
        }
        ("consistent-hash", r#"{"virtual_nodes":20,"load_factor":0.0}"#) => {
            let config =
                ConsistentHashConfig { virtual_nodes: 20, load_factor: None, ..Default::default() };
            Box::new(ConsistentHash::new(config, seed).unwrap())
        }
        ("maglev", "{}") => Box::new(Maglev::new(Default::default(), seed).unwrap()),
        ("maglev", r#"{"table_size":251}"#) => {
            Box::new(Maglev::new(MaglevConfig { table_size: Some(251) }, seed).unwrap())
        }
        ("geographic", "{}") => {
            let GeographicConfig { min_share, demand, .. } = Default::default();
            Box::new(Geographic::new(near(min_share, demand)).unwrap())
        }
        ("geographic", r#"{"min_share":0.35,"demand":400}"#) => {
            Box::new(Geographic::new(near(0.35, Some(400))).unwrap())
        }
        other => panic!("no twin for {other:?}"),
    }
}
