//! What became of telemetry that is exported. A signal has series from the moment that it is switched on.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::families::add;

/// The families.
#[derive(Clone)]
pub(super) struct ExportFamilies {
    exported: IntCounterVec,
    dropped: IntCounterVec,
    failures: IntCounterVec,
}

/// The handles of one signal.
#[derive(Clone)]
pub struct ExportMetrics {
    /// Spans, log records or data points that the collector took.
    pub exported: IntCounter,
    /// Too many were waiting.
    pub queue_full: IntCounter,
    /// The collector refused the whole batch, and would again.
    pub refused: IntCounter,
    /// The collector took the batch without these.
    pub rejected: IntCounter,
    /// They were not delivered when exporting ended.
    pub stopped: IntCounter,
    /// Calls of the collector that failed.
    pub failures: IntCounter,
}

impl ExportFamilies {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        Self {
            exported: counters(
                "proconsul_otlp_exported_total",
                "Spans, log records and metric data points that the collector took.",
                &["signal"],
            ),
            dropped: counters(
                "proconsul_otlp_dropped_total",
                "Spans, log records and metric data points that were lost on the way to the collector, by why.",
                &["signal", "reason"],
            ),
            failures: counters(
                "proconsul_otlp_export_failures_total",
                "Calls of the collector that failed; most are tried again.",
                &["signal"],
            ),
        }
    }

    pub(super) fn signal(&self, signal: &str) -> ExportMetrics {
        let dropped = |reason| self.dropped.with_label_values(&[signal, reason]);
        ExportMetrics {
            exported: self.exported.with_label_values(&[signal]),
            queue_full: dropped("queue_full"),
            refused: dropped("refused"),
            rejected: dropped("rejected"),
            stopped: dropped("stopped"),
            failures: self.failures.with_label_values(&[signal]),
        }
    }
}
