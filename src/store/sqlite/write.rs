//! Batches, each in one transaction.

use std::path::Path;

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::failed;
use crate::store::form::{Unfit, instance_json, service_json};
use crate::store::{
    AuditRecord, StoreError, StoredEvent, StoredInstance, Subscription, Write, duty_words, integer,
};

const PUT_SERVICE: &str = "INSERT INTO service (namespace, name, record) VALUES ($1, $2, $3) \
     ON CONFLICT (namespace, name) DO UPDATE SET record = excluded.record";
const DELETE_SERVICE: &str = "DELETE FROM service WHERE namespace = $1 AND name = $2";
const PUT_INSTANCE: &str = "INSERT INTO instance \
     (namespace, service, id, duty, duty_reason, registered, updated, record) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (namespace, service, id) DO UPDATE SET \
     duty = excluded.duty, duty_reason = excluded.duty_reason, registered = excluded.registered, \
     updated = excluded.updated, record = excluded.record";
const DELETE_INSTANCE: &str =
    "DELETE FROM instance WHERE namespace = $1 AND service = $2 AND id = $3";
const PUT_SUBSCRIPTION: &str = "INSERT INTO subscription \
     (id, namespace, service, url, secret, owner, created) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (id) DO UPDATE SET namespace = excluded.namespace, service = excluded.service, \
     url = excluded.url, secret = excluded.secret, owner = excluded.owner, created = excluded.created";
const DELETE_SUBSCRIPTION: &str = "DELETE FROM subscription WHERE id = $1";
const APPEND_AUDIT: &str = "INSERT INTO audit \
     (position, moment, who, came_from, action, subject, state_before, state_after) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const APPEND_EVENT: &str = "INSERT INTO event \
     (position, moment, kind, namespace, service, instance, message) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
const PUT_INDEX: &str = "INSERT INTO counter (name, position) VALUES ('index', $1) \
     ON CONFLICT (name) DO UPDATE SET position = excluded.position";
/// Forgets what stands before the newest so many.
const TRIM_AUDIT: &str = "DELETE FROM audit WHERE position <= \
     (SELECT position FROM audit ORDER BY position DESC LIMIT 1 OFFSET $1)";
const TRIM_EVENTS: &str = "DELETE FROM event WHERE position <= \
     (SELECT position FROM event ORDER BY position DESC LIMIT 1 OFFSET $1)";

/// Why a step was not taken.
pub(super) enum Fault {
    Driver(sqlx::Error),
    Unfit(&'static str, Unfit),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Fault::Driver(error)
    }
}

/// Writes all of a batch or nothing.
pub(super) async fn batch(
    pool: &SqlitePool,
    place: &Path,
    batch: &[Write],
) -> Result<(), StoreError> {
    transaction(pool, place, async |transaction| {
        for write in batch {
            step(transaction, write).await?;
        }
        Ok(())
    })
    .await
}

/// Takes some steps, all of them or none.
pub(super) async fn transaction(
    pool: &SqlitePool,
    place: &Path,
    steps: impl AsyncFnOnce(&mut Transaction<'_, Sqlite>) -> Result<(), Fault>,
) -> Result<(), StoreError> {
    let all = async {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
        steps(&mut transaction).await?;
        transaction.commit().await?;
        Ok(())
    };
    all.await.map_err(|fault| match fault {
        Fault::Driver(error) => failed(place, &error),
        Fault::Unfit(what, error) => StoreError::Unreadable {
            place: place.display().to_string(),
            what,
            error: error.to_string(),
        },
    })
}

async fn step(transaction: &mut Transaction<'_, Sqlite>, write: &Write) -> Result<(), Fault> {
    let query = match write {
        Write::PutService(record) => {
            let json = service_json(record).map_err(|error| Fault::Unfit("service", error))?;
            sqlx::query(PUT_SERVICE)
                .bind(record.key.namespace.as_str())
                .bind(record.key.name.as_str())
                .bind(json)
        }
        Write::DeleteService(key) => {
            sqlx::query(DELETE_SERVICE).bind(key.namespace.as_str()).bind(key.name.as_str())
        }
        Write::PutInstance(StoredInstance { record, duty, registered, updated }) => {
            let json = instance_json(record).map_err(|error| Fault::Unfit("instance", error))?;
            let (word, reason) = duty_words(duty);
            sqlx::query(PUT_INSTANCE)
                .bind(record.service.namespace.as_str())
                .bind(record.service.name.as_str())
                .bind(record.id.as_str())
                .bind(word)
                .bind(reason)
                .bind(integer(registered.0))
                .bind(integer(updated.0))
                .bind(json)
        }
        Write::DeleteInstance(service, id) => sqlx::query(DELETE_INSTANCE)
            .bind(service.namespace.as_str())
            .bind(service.name.as_str())
            .bind(id.as_str()),
        Write::PutSubscription(subscription) => {
            let Subscription { id, service, url, secret, owner, created } = subscription;
            sqlx::query(PUT_SUBSCRIPTION)
                .bind(id)
                .bind(service.namespace.as_str())
                .bind(service.name.as_str())
                .bind(url)
                .bind(secret)
                .bind(owner)
                .bind(integer(created.0))
        }
        Write::DeleteSubscription(id) => sqlx::query(DELETE_SUBSCRIPTION).bind(id),
        Write::AppendAudit(record) => {
            let AuditRecord { index, at, who, from, action, subject, before, after } = record;
            sqlx::query(APPEND_AUDIT)
                .bind(integer(*index))
                .bind(integer(at.0))
                .bind(who)
                .bind(from)
                .bind(action)
                .bind(subject)
                .bind(before)
                .bind(after)
        }
        Write::AppendEvent(event) => {
            let StoredEvent { index, at, kind, service, instance, message } = event;
            sqlx::query(APPEND_EVENT)
                .bind(integer(*index))
                .bind(integer(at.0))
                .bind(kind)
                .bind(service.as_ref().map(|service| service.namespace.as_str()))
                .bind(service.as_ref().map(|service| service.name.as_str()))
                .bind(instance.as_ref().map(|instance| instance.as_str()))
                .bind(message)
        }
        Write::Trim { audit, events } => {
            let audit = sqlx::query(TRIM_AUDIT).bind(integer(*audit));
            audit.execute(&mut **transaction).await?;
            sqlx::query(TRIM_EVENTS).bind(integer(*events))
        }
        Write::PutIndex(index) => sqlx::query(PUT_INDEX).bind(integer(*index)),
    };
    query.execute(&mut **transaction).await?;
    Ok(())
}
