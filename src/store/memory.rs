//! A store that forgets: for tests, and for a proxy that is to keep nothing.
//!
//! It cannot be backed up: there is no file that another process could read.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    AlertGround, AlertKey, AlertRow, AlertStore, AlertWrite, AuditFilter, AuditRecord, Ground,
    HistoryEntry, HistoryFilter, NewestFirst, Store, StoreError, StoredEvent, StoredInstance,
    Subscription, Write,
};
use crate::model::{InstanceId, ServiceKey, ServiceRecord};

/// Keeps what was written while it lives.
#[derive(Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    index: u64,
    services: BTreeMap<ServiceKey, ServiceRecord>,
    instances: BTreeMap<(ServiceKey, InstanceId), StoredInstance>,
    subscriptions: BTreeMap<String, Subscription>,
    audit: VecDeque<AuditRecord>,
    events: VecDeque<StoredEvent>,
    alerts: BTreeMap<AlertKey, AlertRow>,
    alert_history: VecDeque<HistoryEntry>,
}

#[async_trait]
impl Store for Memory {
    async fn load(&self) -> Result<Ground, StoreError> {
        let tables = self.tables.lock();
        Ok(Ground {
            index: tables.index,
            services: tables.services.values().cloned().collect(),
            instances: tables.instances.values().cloned().collect(),
            subscriptions: tables.subscriptions.values().cloned().collect(),
            events: tables.events.iter().cloned().collect(),
        })
    }

    async fn commit(&self, batch: &[Write]) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        for write in batch {
            tables.write(write.clone());
        }
        Ok(())
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let tables = self.tables.lock();
        Ok(page.of(&tables.audit, |record| record.index, |record| filter.matches(record)))
    }

    async fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unusable {
            place: "memory".to_owned(),
            error: "it is kept in memory alone: name a file as `[registry] store` first".to_owned(),
        })
    }

    async fn close(&self) {}
}

#[async_trait]
impl AlertStore for Memory {
    async fn alerts(&self) -> Result<AlertGround, StoreError> {
        let tables = self.tables.lock();
        Ok(AlertGround {
            rows: tables.alerts.values().cloned().collect(),
            position: tables.alert_history.back().map_or(0, |entry| entry.position),
        })
    }

    async fn keep_alerts(&self, batch: &[AlertWrite], history: u64) -> Result<(), StoreError> {
        let mut tables = self.tables.lock();
        for write in batch {
            match write.clone() {
                AlertWrite::Put(row) => _ = tables.alerts.insert(row.key(), row),
                AlertWrite::Forget(key) => _ = tables.alerts.remove(&key),
                AlertWrite::Append(entry) => tables.alert_history.push_back(entry),
            }
        }
        keep_newest(&mut tables.alert_history, history);
        Ok(())
    }

    async fn alert_history(
        &self,
        filter: &HistoryFilter,
        page: NewestFirst,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let tables = self.tables.lock();
        Ok(page.of(&tables.alert_history, |entry| entry.position, |entry| filter.matches(entry)))
    }
}

impl Tables {
    fn write(&mut self, write: Write) {
        match write {
            Write::PutService(record) => _ = self.services.insert(record.key.clone(), record),
            Write::DeleteService(key) => _ = self.services.remove(&key),
            Write::PutInstance(instance) => {
                let key = (instance.record.service.clone(), instance.record.id.clone());
                self.instances.insert(key, instance);
            }
            Write::DeleteInstance(service, id) => _ = self.instances.remove(&(service, id)),
            Write::PutSubscription(subscription) => {
                self.subscriptions.insert(subscription.id.clone(), subscription);
            }
            Write::DeleteSubscription(id) => _ = self.subscriptions.remove(&id),
            Write::AppendAudit(record) => self.audit.push_back(record),
            Write::AppendEvent(event) => self.events.push_back(event),
            Write::Trim { audit, events } => {
                keep_newest(&mut self.audit, audit);
                keep_newest(&mut self.events, events);
            }
            Write::PutIndex(index) => self.index = index,
        }
    }
}

fn keep_newest<T>(rows: &mut VecDeque<T>, count: u64) {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    rows.drain(..rows.len().saturating_sub(count));
}

impl AuditFilter {
    /// Whether a record is looked for.
    fn matches(&self, record: &AuditRecord) -> bool {
        let same = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let below = self.subject.as_deref().is_none_or(|wanted| {
            let rest = record.subject.strip_prefix(wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        same(&self.who, &record.who)
            && same(&self.action, &record.action)
            && below
            && self.since.is_none_or(|since| record.at >= since)
    }
}
