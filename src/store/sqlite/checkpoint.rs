//! Taking the write-ahead log into the file, beside the commits: one that had to do it itself would wait
//! for several syncs more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sqlx::SqlitePool;

/// Rows between two checkpoints: about a thousand pages.
const EVERY_ROWS: usize = 2_000;

/// Passive: waits for nobody, and takes as much as nobody reads.
const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";

#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    rows: AtomicUsize,
    running: Arc<AtomicBool>,
}

impl Checkpoints {
    /// Begins one when it is time, unless one is under way.
    pub(super) fn after_commit(&self, pool: &SqlitePool, rows: usize) {
        if self.rows.fetch_add(rows, Ordering::Relaxed) + rows < EVERY_ROWS {
            return;
        }
        if self.running.swap(true, Ordering::AcqRel) {
            return;
        }
        self.rows.store(0, Ordering::Relaxed);
        let (pool, running) = (pool.clone(), self.running.clone());
        tokio::spawn(async move {
            if let Err(error) = sqlx::query(CHECKPOINT).execute(&pool).await {
                tracing::debug!(%error, "no checkpoint of the registry's store this time");
            }
            running.store(false, Ordering::Release);
        });
    }
}
