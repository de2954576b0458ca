//! The handles of alert rules' evaluation.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use super::families::add;

/// Seconds. Ten thousand series and two hundred rules are to take less than 0.05.
const EVALUATION_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// What the evaluation of rules counts.
#[derive(Clone)]
pub struct AlertMetrics {
    pub evaluation_seconds: Histogram,
    pub missed: IntCounter,
    pub dropped: IntCounter,
    pub rules: IntGauge,
    alerts: IntGaugeVec,
}

impl AlertMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counter = |name, help| add(registry, IntCounter::new(name, help));
        let options = HistogramOpts::new(
            "proconsul_alert_evaluation_duration_seconds",
            "How long it takes to sample the series and to evaluate all alert rules once.",
        );
        let alerts = Opts::new("proconsul_alerts", "Alerts of rules, by whether they fire yet.");
        let metrics = Self {
            evaluation_seconds: add(
                registry,
                Histogram::with_opts(options.buckets(EVALUATION_SECONDS.to_vec())),
            ),
            missed: counter(
                "proconsul_alert_evaluations_missed_total",
                "Evaluations of alert rules that were skipped because the one before was late.",
            ),
            dropped: counter(
                "proconsul_alert_rule_alerts_dropped_total",
                "Alerts that were not taken in because their rule has too many.",
            ),
            rules: add(
                registry,
                IntGauge::new("proconsul_alert_rules", "Alert rules that are evaluated."),
            ),
            alerts: add(registry, IntGaugeVec::new(alerts, &["state"])),
        };
        metrics.set_alerts(0, 0);
        metrics
    }

    /// How many alerts there are.
    pub fn set_alerts(&self, pending: usize, firing: usize) {
        self.alerts.with_label_values(&["pending"]).set(pending as i64);
        self.alerts.with_label_values(&["firing"]).set(firing as i64);
    }
}
