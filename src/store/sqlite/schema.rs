//! Versions of the schema, and the way from each to the next.

use std::path::Path;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{SqlSafeStr, SqlitePool};

use super::failed;
use crate::store::StoreError;

/// Each is applied once, in order, in a transaction. What was released is never edited: add another.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "registry", include_str!("migrations/0001_registry.sql")),
    (2, "alerts", include_str!("migrations/0002_alerts.sql")),
];

/// Which version the file has; `None` if it is new.
const APPLIED: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
const HAS_VERSION: &str =
    "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";

/// Brings the schema up to date.
pub(super) async fn migrate(pool: &SqlitePool, place: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if let Some(found) = version(pool, place).await?
        && found > known
    {
        return Err(StoreError::TooNew { place: place.display().to_string(), found, known });
    }
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.to_vec());
    migrator.run(pool).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failed(place, &error)
        }
        error => {
            StoreError::Unusable { place: place.display().to_string(), error: error.to_string() }
        }
    })
}

/// The version of a file's schema; `None` = it has none.
pub(super) async fn version(pool: &SqlitePool, place: &Path) -> Result<Option<i64>, StoreError> {
    let failed = |error| failed(place, &error);
    let has_version: i64 = sqlx::query_scalar(HAS_VERSION).fetch_one(pool).await.map_err(failed)?;
    if has_version == 0 {
        return Ok(None);
    }
    sqlx::query_scalar(APPLIED).fetch_one(pool).await.map_err(failed)
}
