//! What became of log records. A writer has series while a configuration has it.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::families::add;
use super::series::Lease;

const QUEUE_FULL: &str = "queue_full";
const NOT_WRITTEN: &str = "not_written";

/// The families.
#[derive(Clone)]
pub(super) struct LogFamilies {
    written: IntCounterVec,
    dropped: IntCounterVec,
}

/// The handles of one writer.
pub struct LogMetrics {
    families: LogFamilies,
    writer: String,
    lease: Lease,
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

    pub(super) fn writer(&self, writer: &str, lease: Lease) -> LogMetrics {
        let dropped = |reason| self.dropped.with_label_values(&[writer, reason]);
        LogMetrics {
            families: self.clone(),
            writer: writer.to_owned(),
            lease,
            written: self.written.with_label_values(&[writer]),
            queue_full: dropped(QUEUE_FULL),
            not_written: dropped(NOT_WRITTEN),
        }
    }
}

impl Drop for LogMetrics {
    fn drop(&mut self) {
        let LogFamilies { written, dropped } = &self.families;
        let writer = self.writer.as_str();
        // A series that is not there any more is what is wanted.
        self.lease.release(|| {
            let _ = written.remove_label_values(&[writer]);
            let _ = dropped.remove_label_values(&[writer, QUEUE_FULL]);
            let _ = dropped.remove_label_values(&[writer, NOT_WRITTEN]);
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;

    #[test]
    fn a_writer_has_series_while_anybody_writes() {
        let metrics = Metrics::new();
        let (former, next) = (metrics.log("w"), metrics.log("w"));
        former.written.inc();
        drop(former);
        next.written.inc();
        let written = r#"proconsul_log_records_written_total{writer="w"} 2"#;
        assert!(metrics.render().contains(written), "it was opened anew, and counts on");
        drop(next);
        assert!(!metrics.render().contains(r#"writer="w""#));
    }
}
