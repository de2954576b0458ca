//! The handles of health checking, over all instances: a label per instance would be without bound.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::families::add;

/// Seconds. From an answer on the same machine to the longest usual time-out.
const CHECK_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Seconds. A timer is exact to a millisecond; more than a second is a loop that cannot keep up.
const LATENESS_SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts what checks do, by their kind and result.
#[derive(Clone)]
pub struct HealthMetrics {
    checks: IntCounterVec,
    check_seconds: HistogramVec,
    flips: IntCounterVec,
    ejections: IntCounterVec,
    /// From when a check was due to when it began.
    pub lateness_seconds: Histogram,
    /// Checks that run right now.
    pub in_flight: IntGauge,
    /// Checks that were due while the one before still ran.
    pub skipped: IntCounter,
    /// Reports of traffic that were dropped because the health loop was behind.
    pub reports_dropped: IntCounter,
}

impl HealthMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let counter = |name: &str, help: &str| add(registry, IntCounter::new(name, help));
        let options = |name: &str, help: &str, buckets: &[f64]| {
            HistogramOpts::new(name, help).buckets(buckets.to_vec())
        };
        Self {
            checks: counters(
                "proconsul_health_checks_total",
                "Health checks made, by kind and what they found.",
                &["kind", "result"],
            ),
            check_seconds: add(
                registry,
                HistogramVec::new(
                    options(
                        "proconsul_health_check_duration_seconds",
                        "How long a health check takes.",
                        CHECK_SECONDS,
                    ),
                    &["kind"],
                ),
            ),
            flips: counters(
                "proconsul_health_flips_total",
                "Checks that came to believe something else of an instance.",
                &["from", "to"],
            ),
            ejections: counters(
                "proconsul_health_passive_ejections_total",
                "Instances that real traffic took out, by whether a connection was refused.",
                &["reason"],
            ),
            lateness_seconds: add(
                registry,
                Histogram::with_opts(options(
                    "proconsul_health_check_lateness_seconds",
                    "From when a health check was due to when it began.",
                    LATENESS_SECONDS,
                )),
            ),
            in_flight: add(
                registry,
                IntGauge::new(
                    "proconsul_health_checks_in_flight",
                    "Health checks that run right now.",
                ),
            ),
            skipped: counter(
                "proconsul_health_checks_skipped_total",
                "Health checks that were due while the one before still ran.",
            ),
            reports_dropped: counter(
                "proconsul_health_traffic_reports_dropped_total",
                "Reports of real traffic that were dropped because the health loop was behind.",
            ),
        }
    }

    /// Counts a check that is over.
    pub fn checked(&self, kind: &'static str, result: &'static str, took: Duration) {
        self.checks.with_label_values(&[kind, result]).inc();
        self.check_seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// Counts a change of mind.
    pub fn flipped(&self, from: &'static str, to: &'static str) {
        self.flips.with_label_values(&[from, to]).inc();
    }

    /// Counts an instance that traffic took out.
    pub fn ejected(&self, reason: &'static str) {
        self.ejections.with_label_values(&[reason]).inc();
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    #[test]
    fn a_check_shows_by_kind_and_result_alone() {
        let metrics = Metrics::new();
        let health = metrics.health();
        health.checked("http", "passing", std::time::Duration::from_millis(3));
        health.flipped("passing", "critical");
        let text = metrics.render();
        let line = r#"proconsul_health_checks_total{kind="http",result="passing"} 1"#;
        assert!(text.contains(line), "{text}");
        let line = r#"proconsul_health_flips_total{from="passing",to="critical"} 1"#;
        assert!(text.contains(line), "{text}");
    }
}
