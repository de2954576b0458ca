//! A registry to try things on, and the words to try them with.

use std::sync::Arc;
use std::time::Duration;

use proconsul::config;
use proconsul::model::{
    CheckName, Duty, GroupName, HealthStatus, InstanceId, InstanceRecord, ServiceKey, ServiceName,
    ServiceRecord, Verdict, Weight,
};
use proconsul::registry::{
    self, Applied, Author, Change, Instance, Observed, Registry, RegistryError, Request,
};
use proconsul::store::{Memory, Store};

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A registry that runs over a store that forgets.
pub async fn registry() -> Registry {
    registry_with(config::Registry::default()).await
}

pub async fn registry_with(settings: config::Registry) -> Registry {
    registry_over(Arc::new(Memory::default()), settings).await
}

pub async fn registry_over(store: Arc<dyn Store>, settings: config::Registry) -> Registry {
    let (registry, writer) = registry::open(store, settings).await.unwrap();
    tokio::spawn(writer.run());
    registry
}

pub fn service(name: &str) -> ServiceKey {
    ServiceKey::in_default(ServiceName::new(name).unwrap())
}

pub fn id(id: &str) -> InstanceId {
    InstanceId::new(id).unwrap()
}

/// An instance of `name` at a port.
pub fn record(name: &str, instance: &str, port: u16) -> InstanceRecord {
    InstanceRecord {
        service: service(name),
        id: id(instance),
        version: None,
        host: "10.0.0.1".to_owned(),
        port,
        protocol: String::new(),
        weight: Weight::DEFAULT,
        zone: String::new(),
        region: String::new(),
        tags: Default::default(),
        metadata: Default::default(),
        ttl: None,
        checks: Vec::new(),
    }
}

pub fn described(name: &str, group: &str) -> ServiceRecord {
    ServiceRecord {
        group: Some(GroupName::new(group).unwrap()),
        ..ServiceRecord::bare(service(name))
    }
}

pub fn author() -> Author {
    Author { who: "tester".to_owned(), from: "127.0.0.1".to_owned() }
}

/// Asks for a change.
pub async fn apply(registry: &Registry, change: Change) -> Result<Applied, RegistryError> {
    apply_if(registry, change, None).await
}

/// Asks for a change on a condition.
pub async fn apply_if(
    registry: &Registry,
    change: Change,
    expected: Option<u64>,
) -> Result<Applied, RegistryError> {
    let request = Request { change, author: author(), expected };
    tokio::time::timeout(PATIENCE, registry.apply(request)).await.expect("it answers in time")
}

pub async fn register(registry: &Registry, record: InstanceRecord) -> Applied {
    apply(registry, Change::Register(record)).await.unwrap()
}

pub fn instance(registry: &Registry, name: &str, instance: &str) -> Option<Arc<Instance>> {
    registry.snapshot().instance(&service(name), &id(instance)).cloned()
}

/// Waits until what is known of a service is as wanted.
pub async fn until(
    registry: &Registry,
    name: &str,
    mut wanted: impl FnMut(&registry::Snapshot) -> bool,
) {
    let waiting = async {
        let mut index = 0;
        loop {
            let snapshot = registry.changed(&service(name), index).await;
            if wanted(&snapshot) {
                return;
            }
            index = snapshot.index_of(&service(name));
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to be so in time");
}

/// What a check says.
pub fn observed(name: &str, instance: &str, status: HealthStatus, reason: &str) -> Observed {
    Observed {
        service: service(name),
        instance: id(instance),
        check: CheckName::new("http").unwrap(),
        verdict: Some(Verdict::new(status, reason)),
    }
}

pub fn maintenance(reason: &str) -> Duty {
    Duty::Maintenance { reason: reason.to_owned() }
}
