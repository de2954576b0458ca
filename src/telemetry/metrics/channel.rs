//! The handles of one alert channel's component.

use std::sync::Arc;

use prometheus::{Counter, IntCounter, IntGauge};

use super::families::Families;
use super::series::Lease;

/// Counts what an alert channel's component does. Series by reason appear with their first event.
pub struct ChannelMetrics {
    families: Arc<Families>,
    channel: String,
    reasons: Box<[&'static str]>,
    lease: Lease,
    /// Notifications that it was asked to send, each try.
    pub sends: IntCounter,
    /// Attempts to reach what it must not.
    pub connections_denied: IntCounter,
    /// Log lines above the limit.
    pub log_lines_dropped: IntCounter,
    /// Computing, in seconds.
    pub cpu_seconds: Counter,
    /// Linear memory of all instances.
    pub memory_bytes: IntGauge,
}

impl ChannelMetrics {
    pub(super) fn new(
        families: Arc<Families>,
        channel: &str,
        reasons: &[&'static str],
        lease: Lease,
    ) -> Self {
        let labels = &[channel];
        Self {
            sends: families.channel_sends.with_label_values(labels),
            connections_denied: families.channel_connections_denied.with_label_values(labels),
            log_lines_dropped: families.channel_log_lines_dropped.with_label_values(labels),
            cpu_seconds: families.channel_cpu.with_label_values(labels),
            memory_bytes: families.channel_memory.with_label_values(labels),
            families,
            channel: channel.to_owned(),
            reasons: reasons.into(),
            lease,
        }
    }

    /// Counts a sending in which the component failed, for the reason at this place among those that
    /// were given to [`Metrics::channel`](super::Metrics::channel).
    pub fn faulted(&self, reason: usize) {
        let labels = &[self.channel.as_str(), self.reasons[reason]];
        self.families.channel_faults.with_label_values(labels).inc();
    }
}

impl Drop for ChannelMetrics {
    fn drop(&mut self) {
        let families = &self.families;
        // A series that is not there any more is what is wanted.
        self.lease.release(|| {
            let labels = &[self.channel.as_str()];
            let _ = families.channel_sends.remove_label_values(labels);
            let _ = families.channel_connections_denied.remove_label_values(labels);
            let _ = families.channel_log_lines_dropped.remove_label_values(labels);
            let _ = families.channel_cpu.remove_label_values(labels);
            let _ = families.channel_memory.remove_label_values(labels);
            for reason in &self.reasons {
                let _ = families.channel_faults.remove_label_values(&[labels[0], reason]);
            }
        });
    }
}
