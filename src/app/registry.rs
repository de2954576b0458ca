//! Starting the registry: its store, and the thread of its writer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::api::HAND_OVER_PATIENCE;
use super::server::{RunError, runtime, spawn};
use crate::alert::desk::Memory;
use crate::config::{Config, RegistryStore};
use crate::model::{Duty, Origin};
use crate::registry::{Author, Change, Registry, RegistryError, Request, open};
use crate::store::{
    self, AlertGround, AlertStore, Ground, Heir, Sqlite, Store, StoreError, StoredInstance,
};
use crate::telemetry::Metrics;

/// A store in use by a process that does not hand over is refused after this.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Where the old process has not let go in time.
const CLAIM_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Reads what the store holds, and starts the writer; says what alerts are to remember. At an `upgrade` the store is read while the old
/// process still has it, and looked at again when that has let go.
pub(super) fn start(
    config: &Config,
    upgrade: bool,
    metrics: &Metrics,
) -> Result<(Registry, Memory), RunError> {
    let settings = config.registry.clone();
    let runtime = runtime()?;
    let opened = runtime.block_on(async {
        let mut heir = None;
        let (store, memory) = match &settings.store {
            RegistryStore::Memory => both(store::Memory::default()).await?,
            RegistryStore::Sqlite(path) if upgrade => {
                let store = Arc::new(Heir::of(path, HAND_OVER_PATIENCE));
                heir = Some(store.clone());
                let ground = Box::pin(inherit_alerts(store.clone()));
                (store.clone() as Arc<dyn Store>, Memory { store, ground })
            }
            RegistryStore::Sqlite(path) => both(Sqlite::open(path, LOCK_PATIENCE).await?).await?,
        };
        let pool = store.clone();
        metrics.show_store(move || pool.connections());
        let (registry, writer) = open(store, settings).await?;
        Ok::<_, StoreError>((registry, writer.counting(metrics.service_registry()), heir, memory))
    });
    let (registry, writer, heir, memory) = opened.map_err(RunError::Store)?;
    let handle = registry.clone();
    spawn("registry", move || {
        runtime.block_on(async {
            let inheriting = async {
                if let Some(heir) = heir
                    && let Err(error) = inherit(&heir, &handle).await
                {
                    tracing::error!(%error, "the registry was not taken over");
                }
            };
            tokio::join!(writer.run(), inheriting);
        });
        Ok(())
    })?;
    Ok((registry, memory))
}

/// A store as the registry knows it, and as alerts do.
async fn both<S: Store + AlertStore>(store: S) -> Result<(Arc<dyn Store>, Memory), StoreError> {
    let ground = store.alerts().await?;
    let store = Arc::new(store);
    let ground = Box::pin(std::future::ready(ground));
    Ok((store.clone(), Memory { store, ground }))
}

/// What the old process left of alerts, once it has let go. That sees to them until then.
async fn inherit_alerts(heir: Arc<Heir>) -> AlertGround {
    loop {
        match heir.alerts().await {
            Ok(ground) => return ground,
            Err(error) => tracing::error!(%error, "alerts are still the other process's"),
        }
        tokio::time::sleep(CLAIM_AGAIN_AFTER).await;
    }
}

/// Why what the old process left is not known here.
#[derive(Debug, thiserror::Error)]
enum NotInherited {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Takes in what the old process acknowledged after this one had read the store.
async fn inherit(heir: &Heir, registry: &Registry) -> Result<(), NotInherited> {
    let ground = heir.claim().await?.load().await?;
    let changes = missed(&ground, registry);
    tracing::info!(changes = changes.len(), "the registry is this process's now");
    for change in changes {
        let author = Author { who: "registry".to_owned(), from: String::new() };
        registry.apply(Request { change, author, expected: None }).await?;
    }
    Ok(())
}

/// What makes the registry what the store says.
fn missed(ground: &Ground, registry: &Registry) -> Vec<Change> {
    let snapshot = registry.snapshot();
    let mut changes = Vec::new();
    for record in &ground.services {
        if snapshot.services.get(&record.key).is_none_or(|view| *view.record != *record) {
            changes.push(Change::DescribeService(record.clone()));
        }
    }
    let mut stored = BTreeSet::new();
    for StoredInstance { record, duty, .. } in &ground.instances {
        let (service, id) = (record.service.clone(), record.id.clone());
        stored.insert((service.clone(), id.clone()));
        let known = snapshot.services.get(&service).and_then(|view| view.instances.get(&id));
        let same_record = known.is_some_and(|known| *known.record == *record);
        if !same_record {
            changes.push(Change::Register(record.clone()));
        }
        if !same_record || known.is_some_and(|known| known.duty != *duty) {
            changes.push(match duty {
                Duty::Draining => Change::Deregister(service, id),
                duty => Change::SetDuty(service, id, duty.clone()),
            });
        }
    }
    for view in snapshot.services.values() {
        for (id, instance) in &view.instances {
            let key = (view.record.key.clone(), id.clone());
            if instance.origin == Origin::Registration && !stored.contains(&key) {
                changes.push(Change::Deregister(key.0, key.1));
            }
        }
    }
    let known = registry.subscriptions();
    let (new, old) = (&ground.subscriptions, &*known);
    changes.extend(new.iter().filter(|s| !old.contains(s)).cloned().map(Change::Subscribe));
    let gone = old.iter().filter(|s| !new.contains(s));
    changes.extend(gone.map(|subscription| Change::Unsubscribe(subscription.id.clone())));
    changes
}
