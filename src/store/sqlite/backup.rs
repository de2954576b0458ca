//! A copy of everything, made while the store is in use: `VACUUM INTO` reads one moment's state and
//! lets others write meanwhile.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use sqlx::SqlitePool;

use super::failed;
use super::lock::beside;
use super::open::{folder_of, owners_file};
use crate::store::StoreError;

/// The copy has this after its name until it is whole.
const PARTIAL: &str = ".partial";

/// Writes the copy to a new file that only its owner may read.
pub(super) async fn write(pool: &SqlitePool, to: &Path) -> Result<(), StoreError> {
    let unusable = |error: io::Error| unusable(to, &error);
    if to.try_exists().map_err(unusable)? {
        return Err(unusable(io::Error::other("it exists already: name a new file")));
    }
    let partial = beside(to, PARTIAL);
    let Some(path) = partial.to_str() else {
        return Err(unusable(io::Error::other("its name is not UTF-8")));
    };
    owners_file().create(true).truncate(true).open(&partial).map_err(unusable)?;
    let copied = sqlx::query("VACUUM INTO $1").bind(path).execute(pool).await;
    let moved = match copied {
        Ok(_) => put_in_place(&partial, to).map_err(unusable),
        Err(error) => Err(failed(to, &error)),
    };
    if moved.is_err() {
        let _ = fs::remove_file(&partial); // what went wrong first is what counts
    }
    moved
}

/// Gives a whole file its name, for good.
pub(super) fn put_in_place(from: &Path, to: &Path) -> io::Result<()> {
    File::open(from)?.sync_all()?;
    fs::rename(from, to)?;
    File::open(folder_of(to))?.sync_all()
}

pub(super) fn unusable(place: &Path, error: &io::Error) -> StoreError {
    StoreError::Unusable { place: place.display().to_string(), error: error.to_string() }
}
