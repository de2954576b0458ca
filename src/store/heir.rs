//! A store that another process still holds, and is about to leave: a graceful upgrade's.
//!
//! It is read at once, and written from when the other has let go: until then, writers wait.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{
    AlertGround, AlertStore, AlertWrite, AuditFilter, AuditRecord, Ground, HistoryEntry,
    HistoryFilter, NewestFirst, Sqlite, Store, StoreError, Write,
};

/// Who will have a file.
pub struct Heir {
    place: PathBuf,
    /// How long the other process is waited for.
    patience: Duration,
    inherited: OnceCell<Sqlite>,
}

impl Heir {
    /// Nothing is opened yet.
    pub fn of(place: &Path, patience: Duration) -> Self {
        Self { place: place.to_owned(), patience, inherited: OnceCell::new() }
    }

    /// Waits until the other process has let go, and opens the store.
    pub async fn claim(&self) -> Result<&Sqlite, StoreError> {
        self.inherited.get_or_try_init(|| Sqlite::open(&self.place, self.patience)).await
    }
}

#[async_trait]
impl Store for Heir {
    /// What the store holds right now, though the other process may still write.
    async fn load(&self) -> Result<Ground, StoreError> {
        match self.inherited.get() {
            Some(store) => store.load().await,
            None => Sqlite::peek(&self.place).await,
        }
    }

    async fn commit(&self, batch: &[Write]) -> Result<(), StoreError> {
        self.claim().await?.commit(batch).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.claim().await?.audit(filter, page).await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.claim().await?.backup(to).await
    }

    fn connections(&self) -> Option<[usize; 2]> {
        self.inherited.get()?.connections()
    }

    async fn close(&self) {
        if let Some(store) = self.inherited.get() {
            store.close().await;
        }
    }
}

/// All of it waits until the other process has let go: until then, that sees to alerts.
#[async_trait]
impl AlertStore for Heir {
    async fn alerts(&self) -> Result<AlertGround, StoreError> {
        self.claim().await?.alerts().await
    }

    async fn keep_alerts(&self, batch: &[AlertWrite], history: u64) -> Result<(), StoreError> {
        self.claim().await?.keep_alerts(batch, history).await
    }

    async fn alert_history(
        &self,
        filter: &HistoryFilter,
        page: NewestFirst,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.claim().await?.alert_history(filter, page).await
    }
}
