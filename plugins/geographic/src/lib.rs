//! Geographic: the same zone first, then the same region, then anywhere, and no tier more than it can bear.

use proconsul_plugin::algorithms::{self, GeographicConfig, Strategy as _};
use proconsul_plugin::{Endpoint, Loads, Strategy, node, view};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The zone to be near to. Absent: the proxy's own.
    zone: Option<String>,
    /// The region to be near to. Absent: the proxy's own.
    region: Option<String>,
    /// The share of a zone's demand that a tier must be able to bear to keep all of it.
    min_share: f64,
    /// The weight that bears this zone's traffic. Absent: the sum of all weights / the number of zones.
    demand: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        let GeographicConfig { min_share, demand, .. } = GeographicConfig::default();
        Self { zone: None, region: None, min_share, demand }
    }
}

struct Geographic(algorithms::Geographic);

impl Strategy for Geographic {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let Config { zone, region, min_share, demand } = config;
        let zone = zone.unwrap_or_else(node::zone);
        let region = region.unwrap_or_else(node::region);
        let config = GeographicConfig { zone, region, min_share, demand };
        Ok(Self(algorithms::Geographic::new(config)?))
    }

    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
        self.0.set_endpoints(&view(&endpoints));
        Ok(())
    }

    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32> {
        self.0.pick(key, attempt, &Loads)
    }
}

proconsul_plugin::export!(Geographic);
