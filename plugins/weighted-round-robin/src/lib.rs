//! Smooth weighted round robin: turns in proportion to weight, spread as evenly as they can be.

use proconsul_plugin::algorithms::{self, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, NoConfig, Strategy, view};

struct WeightedRoundRobin(algorithms::WeightedRoundRobin);

impl Strategy for WeightedRoundRobin {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self(algorithms::WeightedRoundRobin::new()))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(WeightedRoundRobin);
