//! Registries to measure, small and large.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use proconsul::config;
use proconsul::model::{
    InstanceId, InstanceRecord, Namespace, ServiceKey, ServiceName, Tag, Weight,
};
use proconsul::registry::{self, Author, Change, Registry, Request};
use proconsul::store::Sqlite;

/// How much is measured.
pub struct Size {
    pub services: usize,
    pub instances_each: usize,
    pub registrations: usize,
    pub heartbeats: usize,
    pub watchers: usize,
    /// Changes whose way to the reader is timed.
    pub changes: usize,
}

impl Size {
    pub const FULL: Size = Size {
        services: 10_000,
        instances_each: 10,
        registrations: 20_000,
        heartbeats: 1_000_000,
        watchers: 10_000,
        changes: 1_000,
    };
    pub const QUICK: Size = Size {
        services: 1_000,
        instances_each: 10,
        registrations: 5_000,
        heartbeats: 200_000,
        watchers: 10_000,
        changes: 200,
    };
}

/// Nothing lapses while it is measured.
const TTL: Duration = Duration::from_secs(3600);

/// A registry over a file, with its writer running.
pub async fn open(file: &Path) -> Result<Registry> {
    let store = Arc::new(Sqlite::open(file, Duration::ZERO).await?);
    let (registry, writer) = registry::open(store, config::Registry::default()).await?;
    tokio::spawn(writer.run());
    Ok(registry)
}

pub fn key(service: usize) -> ServiceKey {
    ServiceKey {
        namespace: Namespace::default_one(),
        name: ServiceName::new(&format!("service-{service:05}")).expect("letters and digits"),
    }
}

pub fn id(service: usize, instance: usize) -> InstanceId {
    InstanceId::new(&format!("service-{service:05}-{instance:03}")).expect("letters and digits")
}

/// As much as a real one says of itself.
pub fn record(service: usize, instance: usize) -> InstanceRecord {
    InstanceRecord {
        service: key(service),
        id: id(service, instance),
        version: Some(semver::Version::new(1, (service % 7) as u64, instance as u64)),
        host: format!("10.{}.{}.{}", service / 256, service % 256, instance % 256),
        port: 8080,
        protocol: "http".to_owned(),
        weight: Weight::DEFAULT,
        zone: format!("eu-central-1{}", ["a", "b", "c"][instance % 3]),
        region: "eu-central-1".to_owned(),
        tags: [Tag::new("production").expect("letters")].into(),
        metadata: [("build".to_owned(), format!("{service}-{instance}"))].into(),
        ttl: Some(TTL),
        checks: Vec::new(),
    }
}

pub fn registration(record: InstanceRecord) -> Request {
    let author = Author { who: "bench".to_owned(), from: "127.0.0.1".to_owned() };
    Request { change: Change::Register(record), author, expected: None }
}
