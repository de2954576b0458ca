//! Putting a backup in the place of a store that nobody uses.
//!
//! Everything is tried on a copy: its pages, its schema, each of its rows. What was there before is kept
//! beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backup::{put_in_place, unusable};
use super::lock::{Lock, beside};
use super::open::{self, owners_file};
use super::{alerts, failed, read, schema};
use crate::store::StoreError;

/// The copy that is tried.
const CANDIDATE: &str = ".restoring";
/// What was there before.
const BEFORE: &str = ".before-restore";
/// What SQLite keeps beside a file that is in use.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    pub services: usize,
    pub instances: usize,
    pub subscriptions: usize,
    /// Where the store that was there before is now; `None` if there was none.
    pub before: Option<PathBuf>,
}

/// Checks the backup `from`, and puts it in place of the store `to`, which no process may hold.
pub async fn restore(from: &Path, to: &Path) -> Result<Contents, StoreError> {
    if !from.is_file() {
        return Err(bad(from, "there is no such file".to_owned()));
    }
    let was_there = to.exists();
    open::prepare(to)?;
    let _lock = Lock::take(to, Duration::ZERO).await?;
    let candidate = beside(to, CANDIDATE);
    let tried = match copy(from, &candidate) {
        Ok(()) => try_out(&candidate, from).await,
        Err(error) => Err(bad(from, error.to_string())),
    };
    let mut contents = tried.map_err(|error| {
        remove(&candidate);
        match error {
            StoreError::Corrupt { error, .. } => bad(from, error),
            error => error,
        }
    })?;
    if was_there {
        fold_log(to).await;
        contents.before = Some(set_aside(to).map_err(|error| unusable(to, &error))?);
    }
    put_in_place(&candidate, to).map_err(|error| unusable(to, &error))?;
    Ok(contents)
}

fn bad(backup: &Path, error: String) -> StoreError {
    StoreError::BadBackup { place: backup.display().to_string(), error }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    remove(to);
    let mut copy = owners_file().create_new(true).open(to)?;
    io::copy(&mut fs::File::open(from)?, &mut copy)?;
    Ok(())
}

/// Opens a copy of `from` as the registry would, and reads all of it.
async fn try_out(candidate: &Path, from: &Path) -> Result<Contents, StoreError> {
    let pool = open::pool(candidate).await?;
    let checks: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&pool)
        .await
        .map_err(|error| failed(from, &error))?;
    if checks != ["ok"] {
        return Err(bad(from, checks.join("; ")));
    }
    if schema::version(&pool, from).await?.is_none() {
        return Err(bad(from, "it is a database, but not of a registry".to_owned()));
    }
    schema::migrate(&pool, from).await?;
    let ground = read::ground(&pool, from).await?;
    alerts::ground(&pool, from).await?;
    pool.close().await; // which takes the log into the file
    Ok(Contents {
        services: ground.services.len(),
        instances: ground.instances.len(),
        subscriptions: ground.subscriptions.len(),
        before: None,
    })
}

/// Takes what stands in the old store's log into its file, so that it is one file. Of a broken store the
/// log is set aside as it is.
async fn fold_log(place: &Path) {
    if let Ok(pool) = open::pool(place).await {
        // A broken one stays as it is.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await;
        pool.close().await;
    }
}

/// Gives a store and its companions other names.
fn set_aside(place: &Path) -> io::Result<PathBuf> {
    let aside = beside(place, BEFORE);
    for suffix in COMPANIONS.into_iter().chain([""]) {
        let (from, to) = (beside(place, suffix), beside(&aside, suffix));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => remove_one(&to)?,
            renamed => renamed?,
        }
    }
    Ok(aside)
}

/// Takes away a candidate that is not wanted, as far as it is there.
fn remove(candidate: &Path) {
    for suffix in COMPANIONS.into_iter().chain([""]) {
        // What is not there need not go, and what cannot go is in nobody's way but the next candidate's.
        let _ = remove_one(&beside(candidate, suffix));
    }
}

fn remove_one(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
