//! Instances for tests.

use std::sync::Arc;

use super::snapshot::{Health, Instance, ServiceView};
use super::vitals::Vitals;
use crate::model::{
    Duty, InstanceId, InstanceRecord, Origin, ServiceKey, ServiceName, ServiceRecord, Tag,
    UnixMillis, Weight,
};

pub(super) fn web() -> ServiceKey {
    ServiceKey::in_default(ServiceName::new("web").expect("letters are a name"))
}

/// An instance of `web`; an empty version is none.
pub(super) fn with(id: &str, version: &str, tags: &[&str], zone: &str) -> Instance {
    let record = InstanceRecord {
        service: web(),
        id: InstanceId::new(id).expect("tests give names"),
        version: version.parse().ok(),
        host: "10.0.0.1".to_owned(),
        port: 80,
        protocol: String::new(),
        weight: Weight::DEFAULT,
        zone: zone.to_owned(),
        region: String::new(),
        tags: tags.iter().map(|tag| Tag::new(tag).expect("tests give tags")).collect(),
        metadata: [("id".to_owned(), id.to_owned())].into(),
        ttl: None,
        checks: Vec::new(),
    };
    Instance {
        record: Arc::new(record),
        origin: Origin::Registration,
        duty: Duty::Active,
        health: Health::unknown(UnixMillis(0)),
        registered: UnixMillis(0),
        updated: UnixMillis(0),
        index: 1,
        revision: 1,
        vitals: Arc::new(Vitals::new(UnixMillis(0))),
    }
}

/// The service `web` with these instances.
pub(super) fn view(instances: &[Instance]) -> ServiceView {
    ServiceView {
        record: Arc::new(ServiceRecord::bare(web())),
        instances: instances
            .iter()
            .map(|instance| (instance.record.id.clone(), Arc::new(instance.clone())))
            .collect(),
        index: 1,
        revision: 1,
        described: true,
    }
}
