//! The handles of what carries alerts to people.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::families::add;

const SENT: &str = "sent";
const FAILED: &str = "failed";
const RETRIED: &str = "retried";
const DEAD: &str = "dead";

/// Counts notifications. Channels that the configuration has not are forgotten.
#[derive(Clone)]
pub struct DeskMetrics {
    firing: IntGauge,
    notifications: IntCounterVec,
    queued: IntGaugeVec,
    suppressed: IntGaugeVec,
    not_kept: IntCounter,
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
                        "Notifications by how sending them went: sent, failed (once a try), retried \
                         (likewise), dead.",
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
            suppressed: add(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "proconsul_alerts_suppressed",
                        "Alerts that fire and are not told, by why: silence, inhibition, dependency.",
                    ),
                    &["by"],
                ),
            ),
            not_kept: add(
                registry,
                IntCounter::new(
                    "proconsul_alert_store_failures_total",
                    "Times that the state of alerts could not be written to the store.",
                ),
            ),
        }
    }

    /// A channel is no more, and has nothing to send.
    pub fn forget(&self, channel: &str) {
        // A series that is not there any more is what is wanted.
        for result in [SENT, FAILED, RETRIED, DEAD] {
            let _ = self.notifications.remove_label_values(&[channel, result]);
        }
        let _ = self.queued.remove_label_values(&[channel]);
    }

    pub fn firing(&self, alerts: usize) {
        self.firing.set(alerts as i64);
    }

    pub fn sent(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, SENT]).inc();
    }

    pub fn failed(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, FAILED]).inc();
    }

    /// One will be tried again.
    pub fn retried(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, RETRIED]).inc();
    }

    /// The store failed.
    pub fn not_kept(&self) {
        self.not_kept.inc();
    }

    /// Alerts that are not told, each kind of reason with its number.
    pub fn set_suppressed(&self, by: impl IntoIterator<Item = (&'static str, usize)>) {
        for (by, alerts) in by {
            self.suppressed.with_label_values(&[by]).set(alerts as i64);
        }
    }

    /// One was given up.
    pub fn dead(&self, channel: &str) {
        self.notifications.with_label_values(&[channel, DEAD]).inc();
    }

    pub fn queued(&self, channel: &str, notifications: usize) {
        self.queued.with_label_values(&[channel]).set(notifications as i64);
    }
}
