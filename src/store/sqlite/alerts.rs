//! What is remembered of alerts.

use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::{Row, Sqlite, SqlitePool, Transaction};

use super::failed;
use super::read::{moment, natural, rows, text, understood};
use super::write::{Fault, transaction};
use crate::store::form::{alert_id, alert_json, alert_row, history_entry, history_json};
use crate::store::{
    AlertGround, AlertWrite, HistoryEntry, HistoryFilter, NewestFirst, StoreError, integer,
};

const ROWS: &str = "SELECT record FROM alert";
const POSITION: &str = "SELECT MAX(position) FROM alert_history";
const PUT: &str = "INSERT INTO alert (kind, id, record) VALUES ($1, $2, $3) \
     ON CONFLICT (kind, id) DO UPDATE SET record = excluded.record";
const FORGET: &str = "DELETE FROM alert WHERE kind = $1 AND id = $2";
const APPEND: &str = "INSERT INTO alert_history (position, moment, record) VALUES ($1, $2, $3)";
/// Forgets what stands before the newest so many.
const TRIM: &str = "DELETE FROM alert_history WHERE position <= \
     (SELECT position FROM alert_history ORDER BY position DESC LIMIT 1 OFFSET $1)";
const HISTORY: &str = "SELECT position, moment, record FROM alert_history \
     WHERE position < $1 AND moment >= $2 ORDER BY position DESC";

/// Reads everything but the history.
pub(super) async fn ground(pool: &SqlitePool, place: &Path) -> Result<AlertGround, StoreError> {
    let mut rows = rows(pool, place, "alert", ROWS, |row| Ok(alert_row(text(row, 0)?)?)).await?;
    rows.sort_by_cached_key(crate::store::AlertRow::key);
    let position: Option<i64> = sqlx::query_scalar(POSITION)
        .fetch_one(pool)
        .await
        .map_err(|error| failed(place, &error))?;
    Ok(AlertGround { rows, position: position.map_or(0, natural) })
}

/// Writes all of a batch or nothing.
pub(super) async fn keep(
    pool: &SqlitePool,
    place: &Path,
    batch: &[AlertWrite],
    history: u64,
) -> Result<(), StoreError> {
    transaction(pool, place, async |transaction| {
        let mut appended = false;
        for write in batch {
            appended |= matches!(write, AlertWrite::Append(_));
            step(transaction, write).await?;
        }
        if appended {
            sqlx::query(TRIM).bind(integer(history)).execute(&mut **transaction).await?;
        }
        Ok(())
    })
    .await
}

async fn step(transaction: &mut Transaction<'_, Sqlite>, write: &AlertWrite) -> Result<(), Fault> {
    let unfit = |error| Fault::Unfit("alert", error);
    let query = match write {
        AlertWrite::Put(row) => {
            let (kind, id) = alert_id(&row.key()).map_err(unfit)?;
            sqlx::query(PUT).bind(kind).bind(id).bind(alert_json(row).map_err(unfit)?)
        }
        AlertWrite::Forget(key) => {
            let (kind, id) = alert_id(key).map_err(unfit)?;
            sqlx::query(FORGET).bind(kind).bind(id)
        }
        AlertWrite::Append(entry) => sqlx::query(APPEND)
            .bind(integer(entry.position))
            .bind(integer(entry.at.0))
            .bind(history_json(entry).map_err(unfit)?),
    };
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// Reads the history, newest first, until there is enough.
pub(super) async fn history(
    pool: &SqlitePool,
    place: &Path,
    filter: &HistoryFilter,
    page: NewestFirst,
) -> Result<Vec<HistoryEntry>, StoreError> {
    let mut rows = sqlx::query(HISTORY)
        .bind(page.bound())
        .bind(filter.since.map_or(0, |since| integer(since.0)))
        .fetch(pool);
    let mut found = Vec::new();
    while found.len() < page.limit
        && let Some(row) = rows.try_next().await.map_err(|error| failed(place, &error))?
    {
        let entry =
            || Ok(history_entry(natural(row.try_get(0)?), moment(&row, 1)?, text(&row, 2)?)?);
        let entry = understood(entry(), place, "alert history")?;
        if filter.matches(&entry) {
            found.push(entry);
        }
    }
    Ok(found)
}
