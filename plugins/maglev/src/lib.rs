//! Maglev: a key's endpoint in one read of a table that the endpoints share almost exactly.

use proconsul_plugin::algorithms::{self, MaglevConfig, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, Strategy, random, view};

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Size of the table, rounded up to a prime. Absent: 65537, and more for more than 655 endpoints.
    table_size: Option<u32>,
}

struct Maglev(algorithms::Maglev);

impl Strategy for Maglev {
    type Config = Config;

    fn new(Config { table_size }: Config) -> Result<Self, String> {
        Ok(Self(algorithms::Maglev::new(MaglevConfig { table_size }, random::seed())?))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(Maglev);
