//! Who may write: the process that holds the lock on a file beside the store.
//!
//! Not on the store's own file, for closing any handle of that would drop SQLite's own locks.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::StoreError;

/// While somebody else holds it, it is tried again after this.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Held until dropped, or until the process ends, however it does.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a store.
    pub(super) async fn take(place: &Path, patience: Duration) -> Result<Self, StoreError> {
        let unusable = |error: std::io::Error| StoreError::Unusable {
            place: place.display().to_string(),
            error: format!("its lock: {error}"),
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(lock_of(place))
            .map_err(unusable)?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(TRY_EVERY).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::InUse { place: place.display().to_string() });
                }
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
            }
        }
    }
}

/// `registry.db.lock`
fn lock_of(place: &Path) -> PathBuf {
    beside(place, ".lock")
}

/// A file of the same name with something after it.
pub(super) fn beside(place: &Path, suffix: &str) -> PathBuf {
    let mut name = place.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
