//! What the desk has to remember, on its way to the store.
//!
//! What changed is collected, and written in one transaction before anything is done that rests on it. A store
//! that fails is tried again; people are told meanwhile all the same, for what fails may be what they are to
//! be told of. At worst they are told again after a restart.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::model::UnixMillis;
use crate::store::alerts::{AlertKey, AlertRow, AlertStore, AlertWrite, HistoryEntry};
use crate::telemetry::metrics::DeskMetrics;

/// Entries of the history that are kept.
pub const MAX_HISTORY: usize = 10_000;
/// Rows of one transaction: others wait for it.
const MAX_BATCH: usize = 2_000;
/// A transaction that takes longer counts as failed.
pub const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// After a failure.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The store, and what it does not have yet.
pub struct Ledger {
    store: Arc<dyn AlertStore>,
    /// What the store has.
    stored: BTreeSet<AlertKey>,
    /// What it is to have; `None` = it is to forget it.
    changed: BTreeMap<AlertKey, Option<AlertRow>>,
    history: VecDeque<HistoryEntry>,
    position: u64,
    /// The store fails; it is not tried before.
    failing_until: Option<UnixMillis>,
    metrics: DeskMetrics,
}

/// What was changed holds, but the store does not have it: a restart would forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotKept;

impl Ledger {
    /// Of a store that has these rows, and history up to `position`.
    pub fn new(
        store: Arc<dyn AlertStore>,
        stored: BTreeSet<AlertKey>,
        position: u64,
        metrics: DeskMetrics,
    ) -> Self {
        let (changed, history, failing_until) = Default::default();
        Self { store, stored, changed, history, position, failing_until, metrics }
    }

    pub fn write(&mut self, writes: impl IntoIterator<Item = AlertWrite>) {
        for write in writes {
            match write {
                AlertWrite::Put(row) => self.put(row),
                AlertWrite::Forget(key) => self.forget(key),
                AlertWrite::Append(entry) => self.append(entry),
            }
        }
    }

    pub fn put(&mut self, row: AlertRow) {
        self.changed.insert(row.key(), Some(row));
    }

    pub fn forget(&mut self, key: AlertKey) {
        match self.stored.contains(&key) {
            true => _ = self.changed.insert(key, None),
            false => _ = self.changed.remove(&key),
        }
    }

    /// Gives an entry its position. While the store fails, the newest are remembered.
    pub fn append(&mut self, entry: HistoryEntry) {
        self.position += 1;
        self.history.push_back(HistoryEntry { position: self.position, ..entry });
        self.history.drain(..self.history.len().saturating_sub(MAX_HISTORY));
    }

    /// When a store that failed is to be tried again.
    pub fn due(&self) -> Option<UnixMillis> {
        self.failing_until
    }

    /// Writes what changed; all of it is in the store when this returns `Ok`.
    pub async fn keep(&mut self, now: UnixMillis) -> Result<(), NotKept> {
        while !(self.changed.is_empty() && self.history.is_empty()) {
            if self.failing_until.is_some_and(|until| now < until) {
                return Err(NotKept);
            }
            let batch = self.batch();
            let written = timeout(WRITE_WITHIN, self.store.keep_alerts(&batch, MAX_HISTORY as u64));
            let error = match written.await {
                Ok(Ok(())) => {
                    self.kept(&batch);
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("the store did not answer within {WRITE_WITHIN:?}"),
            };
            self.metrics.not_kept();
            if self.failing_until.replace(now.after(RETRY_AFTER)).is_none() {
                tracing::error!(%error, "alerts would be told again after a restart");
            }
            return Err(NotKept);
        }
        Ok(())
    }

    fn batch(&self) -> Vec<AlertWrite> {
        let rows = self.changed.iter().take(MAX_BATCH).map(|(key, row)| match row {
            Some(row) => AlertWrite::Put(row.clone()),
            None => AlertWrite::Forget(key.clone()),
        });
        let rows: Vec<_> = rows.collect();
        let room = MAX_BATCH - rows.len();
        let entries = self.history.iter().take(room).cloned().map(AlertWrite::Append);
        rows.into_iter().chain(entries).collect()
    }

    fn kept(&mut self, batch: &[AlertWrite]) {
        if self.failing_until.take().is_some() {
            tracing::info!("alerts are kept again");
        }
        for write in batch {
            match write {
                AlertWrite::Put(row) => {
                    let key = row.key();
                    self.changed.remove(&key);
                    self.stored.insert(key);
                }
                AlertWrite::Forget(key) => {
                    self.changed.remove(key);
                    self.stored.remove(key);
                }
                AlertWrite::Append(_) => _ = self.history.pop_front(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use parking_lot::Mutex;

    use super::*;
    use crate::model::{ChannelName, Labels};
    use crate::store::alerts::{AlertGround, HistoryEvent, HistoryFilter};
    use crate::store::{Memory, NewestFirst, StoreError};
    use crate::telemetry::metrics::Metrics;

    /// Fails as long as it is told to.
    #[derive(Default)]
    struct Disk {
        memory: Memory,
        is_full: Mutex<bool>,
        /// Rows of each transaction.
        batches: Mutex<Vec<usize>>,
    }

    #[async_trait]
    impl AlertStore for Disk {
        async fn alerts(&self) -> Result<AlertGround, StoreError> {
            self.memory.alerts().await
        }

        async fn keep_alerts(&self, batch: &[AlertWrite], history: u64) -> Result<(), StoreError> {
            if *self.is_full.lock() {
                let (place, error) = ("here".to_owned(), "disk full".to_owned());
                return Err(StoreError::Unusable { place, error });
            }
            self.batches.lock().push(batch.len());
            self.memory.keep_alerts(batch, history).await
        }

        async fn alert_history(
            &self,
            filter: &HistoryFilter,
            page: NewestFirst,
        ) -> Result<Vec<HistoryEntry>, StoreError> {
            self.memory.alert_history(filter, page).await
        }
    }

    fn ledger(disk: &Arc<Disk>) -> Ledger {
        Ledger::new(disk.clone(), BTreeSet::new(), 0, Metrics::new().desk())
    }

    fn sequence(channel: &str, last: u64) -> AlertRow {
        AlertRow::Sequence(ChannelName::new(channel).unwrap(), last)
    }

    fn happened() -> HistoryEntry {
        HistoryEntry {
            position: 0,
            at: UnixMillis(1),
            event: HistoryEvent::Firing,
            labels: Labels::new(),
            value: None,
            channel: None,
            detail: String::new(),
        }
    }

    #[tokio::test]
    async fn a_store_that_fails_gets_everything_once_it_does_not() {
        let disk = Arc::new(Disk::default());
        let mut ledger = ledger(&disk);
        ledger.put(sequence("a", 1));
        assert_eq!(ledger.keep(UnixMillis(0)).await, Ok(()));
        *disk.is_full.lock() = true;
        ledger.put(sequence("a", 2));
        ledger.put(sequence("b", 1));
        ledger.append(happened());
        assert_eq!(ledger.keep(UnixMillis(0)).await, Err(NotKept));
        let due = ledger.due().unwrap();
        *disk.is_full.lock() = false;
        assert_eq!(ledger.keep(UnixMillis(due.0 - 1)).await, Err(NotKept), "not at once again");
        ledger.forget(sequence("b", 1).key()); // of which the store never heard
        ledger.forget(sequence("a", 2).key());
        ledger.put(sequence("c", 7));
        assert_eq!(ledger.keep(due).await, Ok(()));
        assert_eq!((ledger.due(), ledger.changed.len(), ledger.history.len()), (None, 0, 0));
        let kept = AlertGround { rows: vec![sequence("c", 7)], position: 1 };
        assert_eq!(disk.alerts().await.unwrap(), kept);
        assert_eq!(*disk.batches.lock(), [1, 3]);
    }

    #[tokio::test]
    async fn much_is_written_in_several_transactions() {
        let disk = Arc::new(Disk::default());
        let mut ledger = ledger(&disk);
        for number in 0..MAX_BATCH + 1 {
            ledger.put(sequence(&format!("c{number}"), 1));
        }
        ledger.append(happened());
        assert_eq!(ledger.keep(UnixMillis(0)).await, Ok(()));
        assert_eq!(*disk.batches.lock(), [MAX_BATCH, 2]);
    }

    #[tokio::test]
    async fn the_newest_of_the_history_waits_for_a_store_that_fails() {
        let disk = Arc::new(Disk::default());
        let mut ledger = ledger(&disk);
        for _ in 0..MAX_HISTORY + 2 {
            ledger.append(happened());
        }
        assert_eq!(ledger.history.len(), MAX_HISTORY);
        assert_eq!(ledger.history[0].position, 3);
    }

    /// Never answers.
    struct Stuck;

    #[async_trait]
    impl AlertStore for Stuck {
        async fn alerts(&self) -> Result<AlertGround, StoreError> {
            std::future::pending().await
        }

        async fn keep_alerts(&self, _: &[AlertWrite], _: u64) -> Result<(), StoreError> {
            std::future::pending().await
        }

        async fn alert_history(
            &self,
            _: &HistoryFilter,
            _: NewestFirst,
        ) -> Result<Vec<HistoryEntry>, StoreError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_not_waited_for() {
        let metrics = Metrics::new().desk();
        let mut ledger = Ledger::new(Arc::new(Stuck), BTreeSet::new(), 0, metrics);
        ledger.put(sequence("a", 1));
        let begun = tokio::time::Instant::now();
        assert_eq!(ledger.keep(UnixMillis(0)).await, Err(NotKept));
        assert_eq!(begun.elapsed().as_secs(), WRITE_WITHIN.as_secs());
    }
}
