//! IP hash: the affinity key modulo the sum of the weights. Use it with `hash_on = "source_ip"`.

use proconsul_plugin::algorithms::{self, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, NoConfig, Strategy, random, view};

struct IpHash(algorithms::IpHash);

impl Strategy for IpHash {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self(algorithms::IpHash::new(random::seed())))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(IpHash);
