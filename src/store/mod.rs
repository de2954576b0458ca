//! What of the registry outlives the process.
//!
//! One trait; each backend is one module. A store knows rows, not rules: what may be written was
//! decided before it gets here. Only here is a database driver named.

pub mod alerts;
mod form;
mod heir;
mod memory;
mod newest;
mod sqlite;
mod words;

use std::path::Path;

use async_trait::async_trait;

pub use alerts::{
    AlertGround, AlertKey, AlertRow, AlertStore, AlertWrite, HistoryEntry, HistoryEvent,
    HistoryFilter,
};
pub use heir::Heir;
pub use memory::Memory;
pub use newest::NewestFirst;
pub use sqlite::{Contents, Sqlite, restore};

use words::{duty_of, duty_words, integer, service_key};

use crate::model::{Duty, InstanceId, InstanceRecord, ServiceKey, ServiceRecord, UnixMillis};

/// Where the registry keeps what it acknowledged.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Everything, at start.
    async fn load(&self) -> Result<Ground, StoreError>;

    /// Writes all of a batch or nothing. When it returns, the batch survives the process and the
    /// machine losing its power.
    async fn commit(&self, batch: &[Write]) -> Result<(), StoreError>;

    /// Audit records, newest first.
    async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError>;

    /// Writes a copy of everything to a new file, while the store is in use.
    async fn backup(&self, to: &Path) -> Result<(), StoreError>;

    /// How many connections are in use, and how many idle; `None` = it has none.
    fn connections(&self) -> Option<[usize; 2]> {
        None
    }

    /// Lets go of what the store is kept in, when what is under way is done. Nothing is written after.
    async fn close(&self);
}

/// What a store held when the process began.
#[derive(Debug, Default)]
pub struct Ground {
    /// The highest index that was written.
    pub index: u64,
    pub services: Vec<ServiceRecord>,
    pub instances: Vec<StoredInstance>,
    pub subscriptions: Vec<Subscription>,
    /// The newest, oldest first, at most as many as are kept.
    pub events: Vec<StoredEvent>,
}

/// A registered instance with what the store keeps of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredInstance {
    pub record: InstanceRecord,
    pub duty: Duty,
    pub registered: UnixMillis,
    pub updated: UnixMillis,
}

/// One step of a batch.
#[derive(Debug, Clone)]
pub enum Write {
    PutService(ServiceRecord),
    /// Its instances are deleted by steps of their own.
    DeleteService(ServiceKey),
    PutInstance(StoredInstance),
    DeleteInstance(ServiceKey, InstanceId),
    PutSubscription(Subscription),
    /// By its id.
    DeleteSubscription(String),
    AppendAudit(AuditRecord),
    AppendEvent(StoredEvent),
    /// Forgets audit records, and events, older than the newest so many.
    Trim {
        audit: u64,
        events: u64,
    },
    /// The highest index that was given out.
    PutIndex(u64),
}

/// Who changed what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its place among all records: from the registry's indexes, so that larger is later. The change
    /// itself becomes visible at a larger one.
    pub index: u64,
    pub at: UnixMillis,
    /// The token's or subject's name; `configuration` for a reload, `registry` for what lapsed.
    pub who: String,
    /// Address of the client; empty for the proxy itself.
    pub from: String,
    /// `instance.register`, `service.delete` and so on.
    pub action: String,
    /// What was changed: `default/web` or `default/web/web-1`.
    pub subject: String,
    /// JSON, empty when there was nothing.
    pub before: String,
    /// JSON, empty when there is nothing any more.
    pub after: String,
}

/// What audit records to look for; what is `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    pub who: Option<String>,
    pub action: Option<String>,
    /// A subject, or all below it: `default/web` finds `default/web/web-1`.
    pub subject: Option<String>,
    pub since: Option<UnixMillis>,
}

/// One line of the event log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    pub index: u64,
    pub at: UnixMillis,
    /// `registered`, `deregistered`, `health`, and so on.
    pub kind: String,
    /// `None` = the registry as a whole.
    pub service: Option<ServiceKey>,
    pub instance: Option<InstanceId>,
    /// For a person.
    pub message: String,
}

/// Somebody who wants to be called back when a service changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: String,
    pub service: ServiceKey,
    /// Where changes are posted to.
    pub url: String,
    /// Key of the HMAC-SHA256 signature.
    pub secret: String,
    /// Whose it is.
    pub owner: String,
    pub created: UnixMillis,
}

/// Why the store did not do it. Whether anything else still works is for whoever asked to say.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file, the disk, the driver.
    #[error("the store at {place}: {error}")]
    Unusable { place: String, error: String },
    /// A row that this version cannot read.
    #[error("the store at {place} holds an unreadable {what}: {error}")]
    Unreadable { place: String, what: &'static str, error: String },
    /// It is no database, or not a whole one.
    #[error(
        "the store at {place} is damaged: {error}; restore a backup with `proconsul registry restore`"
    )]
    Corrupt { place: String, error: String },
    /// It is not what a backup made.
    #[error("the backup {place} cannot be used, and nothing was changed: {error}")]
    BadBackup { place: String, error: String },
    /// Another process has it.
    #[error(
        "the store at {place} is in use by another process: stop that first, or let this one keep its own: \
         `[registry] store = {{ file = \"..\" }}`"
    )]
    InUse { place: String },
    /// Written by a later version of the proxy.
    #[error(
        "the store at {place} has schema version {found}, this proxy knows up to {known}: use a newer proxy, or restore a backup"
    )]
    TooNew { place: String, found: i64, known: i64 },
}
