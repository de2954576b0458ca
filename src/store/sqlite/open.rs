//! The file and the connections to it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use super::failed;
use crate::store::StoreError;

/// One writes, the others read audit records and make backups.
const MAX_CONNECTIONS: u32 = 4;

/// Nobody else writes, but a checkpoint or a backup may hold the file for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A log that grew to this (32 MiB) is taken into the file by the commit that finds it so. It does not grow to
/// that while `checkpoint` keeps up.
const MAX_LOG_PAGES: &str = "8192";

/// Makes the file, for its owner alone, and its folder if they are not there: subscriptions have secrets.
pub(super) fn prepare(place: &Path) -> Result<(), StoreError> {
    make_file(place).map_err(|error| StoreError::Unusable {
        place: place.display().to_string(),
        error: error.to_string(),
    })
}

fn make_file(place: &Path) -> io::Result<()> {
    let folder = folder_of(place);
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if !place.try_exists()? {
        owners_file().create(true).truncate(false).open(place)?;
        File::open(folder)?.sync_all()?; // or its name might not outlive the machine
    }
    Ok(())
}

/// The folder that a file is in.
pub(super) fn folder_of(place: &Path) -> &Path {
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Options for a file that only its owner may read.
pub(super) fn owners_file() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

/// Connections that commit durably.
pub(super) async fn pool(place: &Path) -> Result<SqlitePool, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(place)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("wal_autocheckpoint", MAX_LOG_PAGES)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .test_before_acquire(false) // it is a file: there is no connection to lose
        .idle_timeout(None)
        .max_lifetime(None);
    pool.connect_with(options).await.map_err(|error| failed(place, &error))
}
