//! The health loop's families. No instance has a series of its own: their number has no bound.

use std::time::Duration;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::families::add;
use crate::model::{CheckKind, HealthStatus};

/// Seconds. From a neighbour's answer to a time-out's.
const CHECK_SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Seconds. A check is on time within a few milliseconds; a second late is too late.
const LATE_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// What the health loop counts.
#[derive(Clone)]
pub struct HealthMetrics {
    checks: IntCounterVec,
    seconds: HistogramVec,
    flips: IntCounterVec,
    /// From when a check was due to when it began.
    pub lateness: Histogram,
    /// Checks that were due while the last look was still under way.
    pub skipped: IntCounter,
    /// Instances that traffic took out.
    pub ejections: IntCounter,
    /// Checks that are made, over all instances.
    pub tasks: IntGauge,
}

impl HealthMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            HistogramOpts::new(name, help).buckets(buckets.to_vec())
        };
        Self {
            checks: add(
                registry,
                IntCounterVec::new(
                    Opts::new("proconsul_health_checks_total", "Looks at instances, by result."),
                    &["kind", "status"],
                ),
            ),
            seconds: add(
                registry,
                HistogramVec::new(
                    histogram(
                        "proconsul_health_check_duration_seconds",
                        "How long a look takes.",
                        CHECK_SECONDS,
                    ),
                    &["kind"],
                ),
            ),
            flips: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "proconsul_health_flips_total",
                        "Changes of what a check, or traffic, believes of an instance.",
                    ),
                    &["to"],
                ),
            ),
            lateness: add(
                registry,
                Histogram::with_opts(histogram(
                    "proconsul_health_check_lateness_seconds",
                    "From when a check was due to when it began.",
                    LATE_SECONDS,
                )),
            ),
            skipped: add(
                registry,
                IntCounter::new(
                    "proconsul_health_checks_skipped_total",
                    "Checks that were due while their last look was still under way.",
                ),
            ),
            ejections: add(
                registry,
                IntCounter::new(
                    "proconsul_health_ejections_total",
                    "Instances that were taken out for what real requests met there.",
                ),
            ),
            tasks: add(
                registry,
                IntGauge::new(
                    "proconsul_health_checks",
                    "Checks that are made, over all instances.",
                ),
            ),
        }
    }

    /// Counts a look.
    pub fn looked(&self, kind: &CheckKind, status: HealthStatus, took: Duration) {
        let kind = kind.as_str();
        self.checks.with_label_values(&[kind, status.as_str()]).inc();
        self.seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    /// Counts a change of belief.
    pub fn flipped(&self, to: HealthStatus) {
        self.flips.with_label_values(&[to.as_str()]).inc();
    }
}
