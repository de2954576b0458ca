//! The handles of one strategy's work for one service.

use std::sync::Arc;

use prometheus::{Histogram, IntCounter, IntGauge};

use super::families::Families;
use super::series::Lease;

/// Counts what a strategy does. Series by reason or export appear with their first event.
pub struct PluginMetrics {
    families: Arc<Families>,
    service: String,
    strategy: String,
    lease: Lease,
    /// Picks asked for.
    pub picks: IntCounter,
    /// Sampled pick durations.
    pub pick_seconds: Histogram,
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
        lease: Lease,
    ) -> Self {
        let labels = &[service, strategy];
        Self {
            picks: families.picks.with_label_values(labels),
            pick_seconds: families.pick_seconds.with_label_values(labels),
            memory_bytes: families.plugin_memory.with_label_values(labels),
            slots: families.plugin_slots.with_label_values(labels),
            tripped: families.tripped.with_label_values(labels),
            log_lines_dropped: families.log_lines_dropped.with_label_values(labels),
            feedback_skipped: families.feedback_skipped.with_label_values(labels),
            families,
            service: service.to_owned(),
            strategy: strategy.to_owned(),
            lease,
        }
    }

    /// Counts a pick that the native fallback made.
    pub fn fell_back(&self, reason: &str) {
        self.families
            .fallbacks
            .with_label_values(&[self.service.as_str(), self.strategy.as_str(), reason])
            .inc();
    }

    /// Counts a call that ended in a trap.
    pub fn trapped(&self, export: &str) {
        self.families
            .traps
            .with_label_values(&[self.service.as_str(), self.strategy.as_str(), export])
            .inc();
    }
}

impl Drop for PluginMetrics {
    fn drop(&mut self) {
        let families = &self.families;
        let labels = &[self.service.as_str(), self.strategy.as_str()];
        // A series that is not there any more is what is wanted.
        self.lease.release(|| {
            for family in [&families.picks, &families.log_lines_dropped, &families.feedback_skipped]
            {
                let _ = family.remove_label_values(labels);
            }
            for family in [&families.plugin_memory, &families.plugin_slots, &families.tripped] {
                let _ = family.remove_label_values(labels);
            }
            let _ = families.pick_seconds.remove_label_values(labels);
            for reason in children(&families.fallbacks, labels) {
                let _ = families.fallbacks.remove_label_values(&[labels[0], labels[1], &reason]);
            }
            for export in children(&families.traps, labels) {
                let _ = families.traps.remove_label_values(&[labels[0], labels[1], &export]);
            }
        });
    }
}

/// The third label's values among the series whose first two are `labels`.
fn children(family: &prometheus::IntCounterVec, labels: &[&str; 2]) -> Vec<String> {
    use prometheus::core::Collector;
    let value = |metric: &prometheus::proto::Metric, name: &str| {
        metric.get_label().iter().find(|l| l.name() == name).map(|l| l.value().to_owned())
    };
    let names = family.desc()[0].variable_labels.clone();
    family
        .collect()
        .iter()
        .flat_map(|family| family.get_metric().to_vec())
        .filter(|metric| {
            labels.iter().zip(&names).all(|(l, name)| value(metric, name).as_deref() == Some(*l))
        })
        .filter_map(|metric| value(&metric, &names[2]))
        .collect()
}
