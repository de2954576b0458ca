//! Making batches of what waits: a batch goes out when it is large, or when its first item has waited long enough.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::deliver::Delivery;
use super::queue::Waiting;

/// A batch of so many spans or records waits no longer: the collectors' own default.
const BATCH_ITEMS: u64 = 512;

/// The first of a batch waits no longer.
const LINGER: Duration = Duration::from_secs(1);

/// One signal's way from its queue to the collector.
pub(super) struct Batcher<T, E> {
    waiting: Waiting<T>,
    delivery: Delivery,
    encode: E,
}

impl<T, E: Fn(Vec<T>) -> Vec<u8>> Batcher<T, E> {
    pub(super) fn new(waiting: Waiting<T>, delivery: Delivery, encode: E) -> Self {
        Self { waiting, delivery, encode }
    }

    /// Runs until it is stopped and nothing waits any more.
    pub(super) async fn run(mut self) {
        while let Some((batch, count)) = self.gather().await {
            self.delivery.deliver((self.encode)(batch).into(), count).await;
            self.waiting.pending.fetch_sub(count, Ordering::Relaxed);
        }
    }

    async fn gather(&mut self) -> Option<(Vec<T>, u64)> {
        let (first, mut count) = self.next(None).await?;
        let mut batch = vec![first];
        let due = Instant::now() + LINGER;
        while count < BATCH_ITEMS {
            let Some((item, items)) = self.next(Some(due)).await else { break };
            batch.push(item);
            count += items;
        }
        Some((batch, count))
    }

    /// The next item; `None` when it is `due`, or none waits and it is to stop.
    async fn next(&mut self, due: Option<Instant>) -> Option<(T, u64)> {
        let Waiting { receiver, .. } = &mut self.waiting;
        tokio::select! {
            biased;
            item = receiver.recv() => item,
            () = self.delivery.stop.cancelled() => None,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
        }
    }
}

/// It may end with something left: time was over.
impl<T, E> Drop for Batcher<T, E> {
    fn drop(&mut self) {
        self.waiting.receiver.close();
        let left = self.waiting.pending.swap(0, Ordering::Relaxed);
        self.delivery.metrics.stopped.inc_by(left);
    }
}
