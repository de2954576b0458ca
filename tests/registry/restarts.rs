//! What a restart finds again, and what a store that fails means.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use proconsul::config;
use proconsul::model::{Duty, HealthStatus, InstanceRecord};
use proconsul::registry::{self, Change, Registry, RegistryError};
use proconsul::store::{
    AuditFilter, AuditRecord, Ground, Memory, NewestFirst, Sqlite, Store, StoreError, StoredEvent,
    Write,
};
use tokio::task::JoinHandle;

use super::bench::*;

/// A registry over a file, and its writer's task.
async fn start(place: &Path) -> (Registry, JoinHandle<()>) {
    let store = Arc::new(Sqlite::open(place, PATIENCE).await.unwrap());
    let settings = config::Registry::default();
    let (registry, writer) = registry::open(store, settings).await.unwrap();
    (registry, tokio::spawn(writer.run()))
}

#[tokio::test]
async fn what_was_acknowledged_is_there_again_however_the_process_ended() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("registry.db");
    let (registry, writer) = start(&place).await;
    let ttl = Some(Duration::from_secs(9));
    register(&registry, InstanceRecord { ttl, ..record("web", "a", 80) }).await;
    register(&registry, record("web", "b", 80)).await;
    apply(&registry, Change::DescribeService(described("web", "shop"))).await.unwrap();
    let out = Change::SetDuty(service("web"), id("b"), maintenance("disk"));
    let last = apply(&registry, out).await.unwrap();
    registry.observe(vec![observed("web", "a", HealthStatus::Critical, "status 503")]).await;
    until(&registry, "web", |s| s.index > last.index).await;
    let index = registry.snapshot().index;
    let known = instance(&registry, "web", "a").unwrap();
    writer.abort(); // in the middle of whatever it does, and nothing is closed
    writer.await.unwrap_err();
    drop(registry);

    let (registry, _writer) = start(&place).await;
    let snapshot = registry.snapshot();
    let view = &snapshot.services[&service("web")];
    assert!(snapshot.index > index, "indexes grow over restarts");
    assert_eq!((view.described, view.record.group.is_some()), (true, true));
    let (a, b) = (&view.instances["a"], &view.instances["b"]);
    assert_eq!((&a.record, a.registered), (&known.record, known.registered));
    assert_eq!(b.duty, maintenance("disk"));
    assert!(a.is_eligible(), "it is well until its checks say otherwise");
    let trail = registry
        .audit(&AuditFilter::default(), NewestFirst { before: None, limit: 9 })
        .await
        .unwrap();
    assert_eq!(trail.len(), 4);
    let again = register(&registry, InstanceRecord { ttl, ..record("web", "a", 80) }).await;
    assert_eq!(again.instances, 0, "what comes out of the store is what went in");
}

#[tokio::test]
async fn events_outlive_a_process_that_ends_in_order_and_draining_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("registry.db");
    let (registry, writer) = start(&place).await;
    register(&registry, record("web", "a", 80)).await;
    instance(&registry, "web", "a").unwrap().vitals.endpoint.enter();
    apply(&registry, Change::Deregister(service("web"), id("a"))).await.unwrap();
    let events = registry.events(0, 9).unwrap();
    registry.stop();
    writer.await.unwrap();
    drop(registry);

    let (registry, _writer) = start(&place).await;
    assert_eq!(registry.events(0, 9).unwrap(), events);
    assert_eq!(registry.events(events[0].index, 9).unwrap(), events[1..]);
    assert_eq!(registry.events(1, 9), Err(events[0].index), "what was before is not known");
    if let Some(left) = instance(&registry, "web", "a") {
        assert_eq!(left.duty, Duty::Draining);
    }
    until(&registry, "web", |s| s.services.is_empty()).await;
}

#[tokio::test]
async fn indexes_begin_at_the_time_so_that_what_no_store_knows_of_is_below() {
    let before = std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64;
    let registry = registry().await;
    let millisecond = 1000;
    assert!(registry.snapshot().index + millisecond >= before);
    assert!(registry.snapshot().index < 1 << 53, "JSON's numbers hold it");
}

/// A store that keeps nothing while it is told to fail.
#[derive(Default)]
struct Failing {
    memory: Memory,
    fails: AtomicBool,
}

#[async_trait]
impl Store for Failing {
    async fn load(&self) -> Result<Ground, StoreError> {
        self.memory.load().await
    }

    async fn commit(&self, batch: &[Write]) -> Result<(), StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            let (place, error) = ("here".to_owned(), "the disk is full".to_owned());
            return Err(StoreError::Unusable { place, error });
        }
        self.memory.commit(batch).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.memory.audit(filter, page).await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.memory.backup(to).await
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn what_the_store_refuses_is_refused_and_never_seen_and_the_rest_goes_on() {
    let store = Arc::new(Failing::default());
    let registry = registry_over(store.clone(), config::Registry::default()).await;
    register(&registry, record("web", "a", 80)).await;
    store.fails.store(true, Ordering::Relaxed);
    let refused = apply(&registry, Change::Register(record("web", "b", 80))).await.unwrap_err();
    assert!(matches!(refused, RegistryError::Store(_)));
    assert_eq!(refused.to_string(), "not kept: the store at here: the disk is full");
    assert!(instance(&registry, "web", "b").is_none());
    registry.observe(vec![observed("web", "a", HealthStatus::Critical, "x")]).await;
    until(&registry, "web", |s| !s.services[&service("web")].instances["a"].is_eligible()).await;

    store.fails.store(false, Ordering::Relaxed);
    register(&registry, record("web", "b", 80)).await;
    let kinds = |events: Vec<StoredEvent>| events.into_iter().map(|e| e.kind).collect::<Vec<_>>();
    register(&registry, record("web", "c", 80)).await; // takes along what waits to be written
    let written = kinds(store.load().await.unwrap().events);
    assert_eq!(written[..3], ["registered", "health", "registered"], "nothing of it was lost");
}

/// A store whose commits take as long as they are held up.
struct Slow {
    memory: Memory,
    gate: tokio::sync::Semaphore,
}

impl Slow {
    fn new() -> Self {
        Self { memory: Memory::default(), gate: tokio::sync::Semaphore::new(0) }
    }

    fn let_one_through(&self) {
        self.gate.add_permits(1);
    }
}

#[async_trait]
impl Store for Slow {
    async fn load(&self) -> Result<Ground, StoreError> {
        self.memory.load().await
    }

    async fn commit(&self, batch: &[Write]) -> Result<(), StoreError> {
        self.gate.acquire().await.unwrap().forget();
        self.memory.commit(batch).await
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        page: NewestFirst,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.memory.audit(filter, page).await
    }

    async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.memory.backup(to).await
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn health_is_published_while_a_commit_is_under_way_and_indexes_stay_in_order() {
    let store = Arc::new(Slow::new());
    store.let_one_through();
    let registry = registry_over(store.clone(), config::Registry::default()).await;
    register(&registry, record("web", "a", 80)).await;
    let held = tokio::spawn({
        let registry = registry.clone();
        async move { register(&registry, record("web", "a", 81)).await }
    });
    registry.observe(vec![observed("web", "a", HealthStatus::Critical, "x")]).await;
    until(&registry, "web", |s| !s.services[&service("web")].instances["a"].is_eligible()).await;
    assert_eq!(instance(&registry, "web", "a").unwrap().record.port, 80);
    let flipped = registry.snapshot().index_of(&service("web"));
    for _ in 0..3 {
        store.let_one_through();
    }
    let applied = held.await.unwrap().instance.unwrap();
    assert!(applied.index > flipped, "a watcher that saw the flip sees this as well");
    assert_eq!((applied.record.port, applied.is_eligible()), (81, false), "it is still not well");
}

#[tokio::test]
async fn more_changes_than_may_wait_are_refused_and_the_others_are_made() {
    const CALLERS: u16 = 10_000;
    let store = Arc::new(Slow::new());
    let registry = registry_over(store.clone(), config::Registry::default()).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let registry = registry.clone();
        callers.spawn(async move {
            let change = Change::Register(record("web", &format!("i{caller}"), caller));
            apply(&registry, change).await
        });
    }
    let mut refused = 0;
    let mut made = 0;
    while let Some(answer) = callers.join_next().await {
        match answer.unwrap() {
            Ok(_) => made += 1,
            Err(RegistryError::Busy(waiting)) => {
                assert!(waiting > 0 && made == 0, "who is refused is told at once");
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        if made == 0 {
            store.let_one_through(); // the first refusal ends the hold-up
        }
    }
    assert!(refused > 0 && made > 0, "{refused} {made}");
    assert_eq!(registry.snapshot().services[&service("web")].instances.len(), made);
}
