//! Response time: the endpoint whose latency, times what is in flight to it, is least.

use proconsul_plugin::algorithms::{self, ResponseTimeConfig, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, Strategy, random, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Up to so many endpoints all are compared; of more, two drawn at random.
    exact_up_to: u32,
}

impl Default for Config {
    fn default() -> Self {
        let ResponseTimeConfig { exact_up_to } = ResponseTimeConfig::default();
        Self { exact_up_to }
    }
}

struct ResponseTime(algorithms::ResponseTime);

impl Strategy for ResponseTime {
    type Config = Config;

    fn new(Config { exact_up_to }: Config) -> Result<Self, String> {
        let config = ResponseTimeConfig { exact_up_to };
        Ok(Self(algorithms::ResponseTime::new(config, random::seed())))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(ResponseTime);
