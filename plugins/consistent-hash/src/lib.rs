//! Consistent hashing with bounded loads: a key keeps its endpoint, unless that is too busy.

use proconsul_plugin::algorithms::{self, ConsistentHashConfig, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, Strategy, random, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Points on the ring of an endpoint of mean weight: more share more evenly.
    virtual_nodes: u32,
    /// How many times its share of what is in flight an endpoint may have; 0 = no bound.
    load_factor: f64,
    /// An endpoint with fewer in flight than this is never passed over.
    min_load: u32,
}

impl Default for Config {
    fn default() -> Self {
        let ConsistentHashConfig { virtual_nodes, load_factor, min_load } = Default::default();
        Self { virtual_nodes, load_factor: load_factor.unwrap_or(0.0), min_load }
    }
}

struct ConsistentHash(algorithms::ConsistentHash);

impl Strategy for ConsistentHash {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let Config { virtual_nodes, load_factor, min_load } = config;
        let load_factor = (load_factor != 0.0).then_some(load_factor);
        let config = ConsistentHashConfig { virtual_nodes, load_factor, min_load };
        Ok(Self(algorithms::ConsistentHash::new(config, random::seed())?))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(ConsistentHash);
