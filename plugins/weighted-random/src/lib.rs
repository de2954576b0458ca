//! Weighted random: each endpoint as likely as its weight says.

use proconsul_plugin::algorithms::{self, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, NoConfig, Strategy, random, view};

struct WeightedRandom(algorithms::WeightedRandom);

impl Strategy for WeightedRandom {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self(algorithms::WeightedRandom::new(random::seed())))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(WeightedRandom);
