//! What became of log records. A writer has series from the moment that a configuration has it.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::families::add;

/// The families.
#[derive(Clone)]
pub(super) struct LogFamilies {
    written: IntCounterVec,
    dropped: IntCounterVec,
}

/// The handles of one writer.
#[derive(Clone)]
pub struct LogMetrics {
    pub written: IntCounter,
    /// Too many were waiting.
    pub queue_full: IntCounter,
    /// The disk was full, or nobody listened.
    pub not_written: IntCounter,
}

impl LogFamilies {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        Self {
            written: counters(
                "proconsul_log_records_written_total",
                "Log records and access-log lines that were written.",
                &["writer"],
            ),
            dropped: counters(
                "proconsul_log_records_dropped_total",
                "Log records and access-log lines that were lost, by why: queue_full, not_written.",
                &["writer", "reason"],
            ),
        }
    }

    pub(super) fn writer(&self, writer: &str) -> LogMetrics {
        let dropped = |reason| self.dropped.with_label_values(&[writer, reason]);
        LogMetrics {
            written: self.written.with_label_values(&[writer]),
            queue_full: dropped("queue_full"),
            not_written: dropped("not_written"),
        }
    }
}
