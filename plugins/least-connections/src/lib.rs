//! Least connections: the endpoint with the fewest requests in flight for its weight.

use proconsul_plugin::algorithms::{self, LeastConnectionsConfig, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, Strategy, random, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Up to so many endpoints all are compared; of more, two drawn at random.
    exact_up_to: u32,
}

impl Default for Config {
    fn default() -> Self {
        let LeastConnectionsConfig { exact_up_to } = LeastConnectionsConfig::default();
        Self { exact_up_to }
    }
}

struct LeastConnections(algorithms::LeastConnections);

impl Strategy for LeastConnections {
    type Config = Config;

    fn new(Config { exact_up_to }: Config) -> Result<Self, String> {
        let config = LeastConnectionsConfig { exact_up_to };
        Ok(Self(algorithms::LeastConnections::new(config, random::seed())))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(LeastConnections);
