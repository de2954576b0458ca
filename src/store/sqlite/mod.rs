//! One file, ACID, without a server: SQLite by way of sqlx, so that other databases may share the SQL.
//!
//! Write-ahead log, and a sync to the disk before a commit returns: what was acknowledged survives
//! the process and the machine's power. One process at a time: a lock beside the file says so.

mod alerts;
mod backup;
mod checkpoint;
mod lock;
mod open;
mod read;
mod restore;
mod schema;
mod write;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use sqlx::SqlitePool;

pub use restore::{Contents, restore};

use super::{
    AlertGround, AlertStore, AlertWrite, AuditFilter, AuditRecord, Ground, HistoryEntry,
    HistoryFilter, NewestFirst, Store, StoreError, Write,
};
use checkpoint::Checkpoints;
use lock::Lock;

/// A store in one file.
#[derive(Debug)]
pub struct Sqlite {
    place: PathBuf,
    pool: SqlitePool,
    checkpoints: Checkpoints,
    /// Held until this is closed: nobody else writes here.
    lock: Mutex<Option<Lock>>,
}

impl Sqlite {
    /// Opens the file, makes it if it is not there, and brings its schema up to date. Waits `patience` for
    /// another process to let go of it: at a graceful upgrade that is about to.
    pub async fn open(place: &Path, patience: Duration) -> Result<Self, StoreError> {
        open::prepare(place)?;
        let lock = Lock::take(place, patience).await?;
        let pool = open::pool(place).await?;
        schema::migrate(&pool, place).await?;
        let lock = Mutex::new(Some(lock));
        Ok(Self { place: place.to_owned(), pool, checkpoints: Checkpoints::default(), lock })
    }

    /// What the file holds, whoever has it; nothing if it is not there.
    pub(super) async fn peek(place: &Path) -> Result<Ground, StoreError> {
        if !place.exists() {
            return Ok(Ground::default());
        }
        let pool = open::pool(place).await?;
        let ground = read::ground(&pool, place).await;
        pool.close().await;
        ground
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn load(&self) -> Result<Ground, StoreError> {
        read::ground(&self.pool, &self.place).await
    }

    async fn commit(&self, batch: &[Write]) -> Result<(), StoreError> {
        write::batch(&self.pool, &self.place, batch).await?;
        self.checkpoints.after_commit(&self.pool, batch.len());
        Ok(())
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        read::audit(&self.pool, &self.place, filter, page).await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        backup::write(&self.pool, to).await
    }

    fn connections(&self) -> Option<[usize; 2]> {
        let (open, idle) = (self.pool.size() as usize, self.pool.num_idle());
        Some([open.saturating_sub(idle), idle])
    }

    async fn close(&self) {
        self.pool.close().await;
        self.lock.lock().take();
    }
}

#[async_trait]
impl AlertStore for Sqlite {
    async fn alerts(&self) -> Result<AlertGround, StoreError> {
        alerts::ground(&self.pool, &self.place).await
    }

    async fn keep_alerts(&self, batch: &[AlertWrite], history: u64) -> Result<(), StoreError> {
        alerts::keep(&self.pool, &self.place, batch, history).await?;
        self.checkpoints.after_commit(&self.pool, batch.len());
        Ok(())
    }

    async fn alert_history(
        &self,
        filter: &HistoryFilter,
        page: NewestFirst,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        alerts::history(&self.pool, &self.place, filter, page).await
    }
}

/// What a driver's error means for whoever reads it.
fn failed(place: &Path, error: &sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code());
    let place = place.display().to_string();
    let error = error.to_string();
    match code.and_then(|code| code.parse::<i64>().ok()).map(|code| code & PRIMARY_CODE) {
        Some(CORRUPT | NOT_A_DATABASE) => StoreError::Corrupt { place, error },
        _ => StoreError::Unusable { place, error },
    }
}

/// SQLite's extended codes have the primary one in the low byte.
const PRIMARY_CODE: i64 = 0xff;
const CORRUPT: i64 = 11;
const NOT_A_DATABASE: i64 = 26;
