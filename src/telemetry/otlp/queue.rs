//! What waits to be exported: bounded, so that a collector that is away costs no memory; and never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::telemetry::metrics::ExportMetrics;

/// Takes items; what finds it full is dropped and counted.
pub struct Queue<T> {
    sender: Sender<(T, u64)>,
    /// Counted items that were taken, and neither delivered nor dropped yet.
    pending: Arc<AtomicU64>,
    metrics: ExportMetrics,
}

/// The other end.
pub(super) struct Waiting<T> {
    pub receiver: Receiver<(T, u64)>,
    pub pending: Arc<AtomicU64>,
}

impl<T> Queue<T> {
    /// A queue for so many items.
    pub(super) fn new(capacity: usize, metrics: ExportMetrics) -> (Self, Waiting<T>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let pending = Arc::<AtomicU64>::default();
        (Self { sender, pending: pending.clone(), metrics }, Waiting { receiver, pending })
    }

    /// Puts an item in, which counts as `count` of them.
    pub(super) fn put(&self, item: T, count: u64) {
        // Before, so that it is never less than what is taken out.
        self.pending.fetch_add(count, Ordering::Relaxed);
        if self.sender.try_send((item, count)).is_err() {
            self.pending.fetch_sub(count, Ordering::Relaxed);
            self.metrics.queue_full.inc_by(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn what_finds_it_full_or_closed_is_counted() {
        let metrics = Metrics::new().export("traces");
        let (queue, waiting) = Queue::new(1, metrics.clone());
        queue.put("a", 3);
        queue.put("b", 5);
        assert_eq!(metrics.queue_full.get(), 5);
        assert_eq!(waiting.pending.load(Ordering::Relaxed), 3);
        drop(waiting);
        queue.put("c", 1);
        assert_eq!(metrics.queue_full.get(), 6);
    }
}
