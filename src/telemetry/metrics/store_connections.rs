//! Connections of the registry's store, looked at whenever somebody asks for metrics.

use std::sync::{Arc, OnceLock};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

use super::families::add;

/// Returns how many connections are in use, and how many wait to be; `None` = there are none to speak of.
type Look = Box<dyn Fn() -> Option<[usize; 2]> + Send + Sync>;

const STATES: [&str; 2] = ["used", "idle"];

/// The family, and whom to ask once there is a store.
#[derive(Clone)]
pub(super) struct StoreConnections {
    gauge: IntGaugeVec,
    look: Arc<OnceLock<Look>>,
}

impl StoreConnections {
    pub fn new(registry: &Registry) -> Self {
        let opts = Opts::new(
            "proconsul_store_connections",
            "Connections to the registry's store, by whether something is being done with them.",
        );
        let gauge = IntGaugeVec::new(opts, &["state"]);
        add(registry, gauge.map(|gauge| Self { gauge, look: Arc::default() }))
    }

    /// Asks this from now on; the first that is given stays.
    pub fn ask(&self, look: Look) {
        let _ = self.look.set(look);
    }
}

impl Collector for StoreConnections {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(counts) = self.look.get().and_then(|look| look()) {
            for (state, count) in STATES.iter().zip(counts) {
                self.gauge.with_label_values(&[state]).set(count as i64);
            }
        }
        self.gauge.collect()
    }
}
