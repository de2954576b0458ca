//! The handles of one health check that a component makes.

use std::sync::Arc;

use prometheus::{Counter, IntCounter, IntGauge};

use super::families::Families;
use super::series::Lease;

/// Counts what a health check's component does. Series by reason appear with their first event.
pub struct CheckerMetrics {
    families: Arc<Families>,
    check: String,
    reasons: Box<[&'static str]>,
    lease: Lease,
    /// Checks that it was asked for.
    pub checks: IntCounter,
    /// Attempts to reach what it must not.
    pub connections_denied: IntCounter,
    /// Log lines above the limit.
    pub log_lines_dropped: IntCounter,
    /// Computing, in seconds.
    pub cpu_seconds: Counter,
    /// Linear memory of all instances.
    pub memory_bytes: IntGauge,
    /// Instances that wait for their next check.
    pub idle: IntGauge,
}

impl CheckerMetrics {
    pub(super) fn new(
        families: Arc<Families>,
        check: &str,
        reasons: &[&'static str],
        lease: Lease,
    ) -> Self {
        let labels = &[check];
        Self {
            checks: families.plugin_checks.with_label_values(labels),
            connections_denied: families.connections_denied.with_label_values(labels),
            log_lines_dropped: families.check_log_lines_dropped.with_label_values(labels),
            cpu_seconds: families.check_cpu.with_label_values(labels),
            memory_bytes: families.check_memory.with_label_values(labels),
            idle: families.check_instances_idle.with_label_values(labels),
            families,
            check: check.to_owned(),
            reasons: reasons.into(),
            lease,
        }
    }

    /// Counts a check to which the component gave no answer, for the reason at this place among
    /// those that were given to [`Metrics::checker`](super::Metrics::checker).
    pub fn faulted(&self, reason: usize) {
        let labels = &[self.check.as_str(), self.reasons[reason]];
        self.families.check_faults.with_label_values(labels).inc();
    }
}

impl Drop for CheckerMetrics {
    fn drop(&mut self) {
        let families = &self.families;
        // A series that is not there any more is what is wanted.
        self.lease.release(|| {
            let labels = &[self.check.as_str()];
            let _ = families.plugin_checks.remove_label_values(labels);
            let _ = families.connections_denied.remove_label_values(labels);
            let _ = families.check_log_lines_dropped.remove_label_values(labels);
            let _ = families.check_cpu.remove_label_values(labels);
            let _ = families.check_memory.remove_label_values(labels);
            let _ = families.check_instances_idle.remove_label_values(labels);
            for reason in &self.reasons {
                let _ = families.check_faults.remove_label_values(&[labels[0], reason]);
            }
        });
    }
}
