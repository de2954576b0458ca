//! What every series was in the last hour or so, so that one binary can draw its own graphs and judge its
//! own rules.
//!
//! A thread of its own gathers all series at each interval: the request path knows nothing of it. A
//! sample is eight bytes a series; the list of series is shared by all samples that have the same. Ten
//! thousand series over an hour at every ten seconds are 29 MB; past [`MAX_SERIES`] a series is left
//! out. Readers get a [`History`] that never changes, by one pointer.

mod history;
mod index;
mod quantile;
mod sampler;
mod window;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::proto::MetricFamily;

use history::Sample;
pub use history::{History, Place};
use index::Index;
pub use index::Series;
pub use quantile::quantile;
pub use sampler::Sampler;
pub use window::Window;

/// Series that are sampled. Further ones are exposed and not remembered.
pub const MAX_SERIES: usize = 50_000;

/// How often a sample is taken, and how long it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingSettings {
    pub interval: Duration,
    pub retention: Duration,
}

/// The samples, with one writer and any number of readers.
#[derive(Default)]
pub struct Ring {
    newest: ArcSwap<History>,
    samples: Mutex<VecDeque<Arc<Sample>>>,
}

impl Ring {
    /// What is remembered now.
    pub fn history(&self) -> Arc<History> {
        self.newest.load_full()
    }

    /// Takes a sample, made at `unix_ms`, and forgets what is older than `retention`.
    pub fn record(&self, families: &[MetricFamily], unix_ms: u64, retention: Duration) {
        let mut samples = self.samples.lock();
        let former = samples.back().map(|sample| sample.index.clone());
        let read = former.and_then(|index| Some((index.read(families)?, index)));
        let (values, index) = read.unwrap_or_else(|| {
            let index = Arc::new(Index::of(families, MAX_SERIES));
            (index.read(families).unwrap_or_default(), index)
        });
        samples.push_back(Arc::new(Sample { unix_ms, index, values }));
        let oldest =
            unix_ms.saturating_sub(u64::try_from(retention.as_millis()).unwrap_or(u64::MAX));
        while samples.front().is_some_and(|sample| sample.unix_ms < oldest) {
            samples.pop_front();
        }
        self.newest.store(Arc::new(History::new(samples.iter().cloned().collect())));
    }
}

#[cfg(test)]
mod tests;
