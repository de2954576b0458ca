//! Everything at start, and audit records whenever somebody asks.

use std::path::Path;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqlitePool};

use super::failed;
use crate::model::{InstanceId, UnixMillis};
use crate::store::form::{Unfit, instance_record, service_record};
use crate::store::{
    AuditFilter, AuditRecord, Ground, NewestFirst, StoreError, StoredEvent, StoredInstance,
    Subscription, duty_of, integer, service_key,
};

const INDEX: &str = "SELECT position FROM counter WHERE name = 'index'";
const SERVICES: &str = "SELECT namespace, name, record FROM service ORDER BY namespace, name";
const INSTANCES: &str = "SELECT namespace, service, id, duty, duty_reason, registered, updated, \
     record FROM instance ORDER BY namespace, service, id";
const SUBSCRIPTIONS: &str =
    "SELECT id, namespace, service, url, secret, owner, created FROM subscription ORDER BY id";
const EVENTS: &str = "SELECT position, moment, kind, namespace, service, instance, message \
     FROM event ORDER BY position";
const AUDIT: &str = "SELECT position, moment, who, came_from, action, subject, state_before, \
     state_after FROM audit WHERE position < $1 AND ($2 IS NULL OR who = $2) \
     AND ($3 IS NULL OR action = $3) \
     AND ($4 IS NULL OR subject = $4 OR substr(subject, 1, $5) = $6) AND moment >= $7 \
     ORDER BY position DESC LIMIT $8";

/// Why a row is not what it should be.
pub(super) enum Fault {
    Driver(sqlx::Error),
    Unfit(Unfit),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Fault::Driver(error)
    }
}

impl<E: Into<Unfit>> From<E> for Fault {
    fn from(error: E) -> Self {
        Fault::Unfit(error.into())
    }
}

/// Reads everything but audit records.
pub(super) async fn ground(pool: &SqlitePool, place: &Path) -> Result<Ground, StoreError> {
    let index: Option<i64> = sqlx::query_scalar(INDEX)
        .fetch_optional(pool)
        .await
        .map_err(|error| failed(place, &error))?;
    Ok(Ground {
        index: index.map_or(0, natural),
        services: rows(pool, place, "service", SERVICES, |row| {
            let key = service_key(text(row, 0)?, text(row, 1)?)?;
            Ok(service_record(key, text(row, 2)?)?)
        })
        .await?,
        instances: rows(pool, place, "instance", INSTANCES, instance).await?,
        subscriptions: rows(pool, place, "subscription", SUBSCRIPTIONS, |row| {
            Ok(Subscription {
                id: row.try_get(0)?,
                service: service_key(text(row, 1)?, text(row, 2)?)?,
                url: row.try_get(3)?,
                secret: row.try_get(4)?,
                owner: row.try_get(5)?,
                created: moment(row, 6)?,
            })
        })
        .await?,
        events: rows(pool, place, "event", EVENTS, event).await?,
    })
}

/// Reads audit records, newest first.
pub(super) async fn audit(
    pool: &SqlitePool,
    place: &Path,
    filter: &AuditFilter,
    page: NewestFirst,
) -> Result<Vec<AuditRecord>, StoreError> {
    let AuditFilter { who, action, subject, since } = filter;
    let below = subject.as_ref().map(|subject| format!("{subject}/"));
    let query = sqlx::query(AUDIT)
        .bind(page.bound())
        .bind(who)
        .bind(action)
        .bind(subject)
        .bind(below.as_ref().map(|below| integer(below.chars().count() as u64)))
        .bind(&below)
        .bind(since.map_or(0, |since| integer(since.0)))
        .bind(i64::try_from(page.limit).unwrap_or(i64::MAX));
    let found = query.fetch_all(pool).await.map_err(|error| failed(place, &error))?;
    let records = found.iter().map(audit_record).collect();
    understood(records, place, "audit record")
}

/// Rows of a table as they come, each made into what it stands for.
pub(super) async fn rows<T>(
    pool: &SqlitePool,
    place: &Path,
    what: &'static str,
    sql: &'static str,
    mut make: impl FnMut(&SqliteRow) -> Result<T, Fault>,
) -> Result<Vec<T>, StoreError> {
    let mut rows = sqlx::query(sql).fetch(pool);
    let mut made = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(|error| failed(place, &error))? {
        made.push(understood(make(&row), place, what)?);
    }
    Ok(made)
}

pub(super) fn understood<T>(
    row: Result<T, Fault>,
    place: &Path,
    what: &'static str,
) -> Result<T, StoreError> {
    row.map_err(|fault| StoreError::Unreadable {
        place: place.display().to_string(),
        what,
        error: match fault {
            Fault::Driver(error) => error.to_string(),
            Fault::Unfit(error) => error.to_string(),
        },
    })
}

fn instance(row: &SqliteRow) -> Result<StoredInstance, Fault> {
    let service = service_key(text(row, 0)?, text(row, 1)?)?;
    let id = InstanceId::new(text(row, 2)?)?;
    Ok(StoredInstance {
        record: instance_record(service, id, text(row, 7)?)?,
        duty: duty_of(text(row, 3)?, text(row, 4)?)?,
        registered: moment(row, 5)?,
        updated: moment(row, 6)?,
    })
}

fn event(row: &SqliteRow) -> Result<StoredEvent, Fault> {
    let namespace: Option<&str> = row.try_get(3)?;
    let service: Option<&str> = row.try_get(4)?;
    let key = namespace.zip(service).map(|(namespace, name)| service_key(namespace, name));
    let instance: Option<&str> = row.try_get(5)?;
    Ok(StoredEvent {
        index: natural(row.try_get(0)?),
        at: moment(row, 1)?,
        kind: row.try_get(2)?,
        service: key.transpose()?,
        instance: instance.map(InstanceId::new).transpose()?,
        message: row.try_get(6)?,
    })
}

fn audit_record(row: &SqliteRow) -> Result<AuditRecord, Fault> {
    Ok(AuditRecord {
        index: natural(row.try_get(0)?),
        at: moment(row, 1)?,
        who: row.try_get(2)?,
        from: row.try_get(3)?,
        action: row.try_get(4)?,
        subject: row.try_get(5)?,
        before: row.try_get(6)?,
        after: row.try_get(7)?,
    })
}

pub(super) fn text(row: &SqliteRow, column: usize) -> Result<&str, sqlx::Error> {
    row.try_get(column)
}

pub(super) fn moment(row: &SqliteRow, column: usize) -> Result<UnixMillis, sqlx::Error> {
    row.try_get(column).map(|value| UnixMillis(natural(value)))
}

/// What was written as a natural number is one.
pub(super) fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
