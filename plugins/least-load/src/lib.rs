//! Least load: the endpoint whose machine has most to spare, by what it reports and how fast it answers.

use proconsul_plugin::algorithms::{self, LeastLoadConfig, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, Strategy, random, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// How much the reported CPU counts, relative to the other two.
    cpu: f64,
    /// How much the reported memory counts.
    memory: f64,
    /// How much the latency counts.
    latency: f64,
    /// Up to so many endpoints all are compared; of more, two drawn at random.
    exact_up_to: u32,
}

impl Default for Config {
    fn default() -> Self {
        let LeastLoadConfig { cpu, memory, latency, exact_up_to } = LeastLoadConfig::default();
        Self { cpu, memory, latency, exact_up_to }
    }
}

struct LeastLoad(algorithms::LeastLoad);

impl Strategy for LeastLoad {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let Config { cpu, memory, latency, exact_up_to } = config;
        let config = LeastLoadConfig { cpu, memory, latency, exact_up_to };
        Ok(Self(algorithms::LeastLoad::new(config, random::seed())?))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(LeastLoad);
