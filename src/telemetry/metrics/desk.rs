//! The handles of what carries alerts to people.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::families::add;

/// Counts notifications. The configuration bounds the channels.
#[derive(Clone)]
pub struct DeskMetrics {
    firing: IntGauge,
    notifications: IntCounterVec,
    queued: IntGaugeVec,
}

impl DeskMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let (by_result, by_channel) = (&["channel", "result"], &["channel"]);
        Self {
            firing: add(
                registry,
                IntGauge::new(
                    "proconsul_alerts_active",
                    "Alerts that fire, of rules and from outside, told or not.",
                ),
            ),
            notifications: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "proconsul_alert_notifications_total",
                        "Notifications by how sending them went: sent, failed (once a try), dead.",
                    ),
                    by_result,
                ),
            ),
            queued: add(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "proconsul_alert_notifications_queued",
                        "Notifications that wait to be sent.",
                    ),
                    by_channel,
                ),
            ),
        }
    }

    pub fn firing(&self, alerts: usize) {
        self.firing.set(alerts as i64);
    }

    pub fn sent(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, "sent"]).inc();
    }

    pub fn failed(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, "failed"]).inc();
    }

    /// One was given up.
    pub fn dead(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, "dead"]).inc();
    }

    pub fn queued(&self, channel: &str, notifications: usize) {
        self.queued.with_label_values(&[channel]).set(notifications as i64);
    }
}
