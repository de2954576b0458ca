//! The handles of one strategy's work for one service.

use std::sync::Arc;

use prometheus::{Counter, Histogram, IntCounter, IntGauge};

use super::by_word::ByWord;
use super::families::Families;
use super::series::Lease;

/// Counts what a strategy does. Series by reason or export appear with their first event.
pub struct PluginMetrics {
    families: Arc<Families>,
    service: String,
    strategy: String,
    lease: Lease,
    fallbacks: ByWord,
    traps: ByWord,
    /// Picks asked for.
    pub picks: IntCounter,
    /// Sampled pick durations.
    pub pick_seconds: Histogram,
    /// What picks cost, in seconds.
    pub cpu_seconds: Counter,
    /// Linear memory of all instances.
    pub memory_bytes: IntGauge,
    /// Instances ready to pick.
    pub slots: IntGauge,
    /// 1 while tripped.
    pub tripped: IntGauge,
    /// Log lines above the limit.
    pub log_lines_dropped: IntCounter,
    /// Outcomes not passed on.
    pub feedback_skipped: IntCounter,
}

impl PluginMetrics {
    pub(super) fn new(
        families: Arc<Families>,
        service: &str,
        strategy: &str,
        reasons: &[&'static str],
        lease: Lease,
    ) -> Self {
        let labels = &[service, strategy];
        Self {
            picks: families.picks.with_label_values(labels),
            pick_seconds: families.pick_seconds.with_label_values(labels),
            cpu_seconds: families.plugin_cpu.with_label_values(labels),
            memory_bytes: families.plugin_memory.with_label_values(labels),
            slots: families.plugin_slots.with_label_values(labels),
            tripped: families.tripped.with_label_values(labels),
            log_lines_dropped: families.log_lines_dropped.with_label_values(labels),
            feedback_skipped: families.feedback_skipped.with_label_values(labels),
            families,
            service: service.to_owned(),
            strategy: strategy.to_owned(),
            lease,
            fallbacks: ByWord::new(reasons),
            traps: ByWord::new(&EXPORTS),
        }
    }

    /// Counts a pick that the native fallback made, for the reason at this place among those that
    /// were given to [`Metrics::plugin`](super::Metrics::plugin).
    pub fn fell_back(&self, reason: usize) {
        self.fallbacks.inc(reason, &self.families.fallbacks, self.labels());
    }

    /// Counts a call that ended in a trap.
    pub fn trapped(&self, export: &'static str) {
        let place = EXPORTS.iter().position(|known| *known == export);
        let place = place.expect("callers name exports of the contract");
        self.traps.inc(place, &self.families.traps, self.labels());
    }

    /// Picks that the native fallback made, for whatever reason.
    pub fn fallbacks(&self) -> u64 {
        self.fallbacks.sum()
    }

    /// Calls that ended in a trap, of whatever export.
    pub fn traps(&self) -> u64 {
        self.traps.sum()
    }

    fn labels(&self) -> [&str; 2] {
        [&self.service, &self.strategy]
    }
}

/// What a plugin's host calls, as the contract names it.
const EXPORTS: [&str; 6] = ["configure", "set-endpoints", "pick", "observe", "snapshot", "restore"];

impl Drop for PluginMetrics {
    fn drop(&mut self) {
        let families = &self.families;
        let labels = &self.labels();
        // A series that is not there any more is what is wanted.
        self.lease.release(|| {
            for family in [&families.picks, &families.log_lines_dropped, &families.feedback_skipped]
            {
                let _ = family.remove_label_values(labels);
            }
            for family in [&families.plugin_memory, &families.plugin_slots, &families.tripped] {
                let _ = family.remove_label_values(labels);
            }
            let _ = families.plugin_cpu.remove_label_values(labels);
            let _ = families.pick_seconds.remove_label_values(labels);
            self.fallbacks.remove(&families.fallbacks, *labels);
            self.traps.remove(&families.traps, *labels);
        });
    }
}
