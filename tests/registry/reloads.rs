//! Instances that the configuration lists, beside those that registered.

use proconsul::model::{Duty, Origin};
use proconsul::registry::{Change, RegistryError};
use proconsul::store::{AuditFilter, NewestFirst};

use super::bench::*;

#[tokio::test]
async fn what_stays_in_the_configuration_keeps_what_is_known_of_it() {
    let registry = registry().await;
    registry.configure(vec![record("web", "a", 80), record("web", "b", 80)]).await;
    let a = instance(&registry, "web", "a").unwrap();
    let maintenance = Change::SetDuty(service("web"), id("a"), maintenance("disk"));
    apply(&registry, maintenance).await.unwrap();
    assert_eq!(registry.events(0, 9).unwrap().len(), 1, "starting is no event");

    registry.configure(vec![record("web", "a", 81), record("web", "c", 80)]).await;
    let moved = instance(&registry, "web", "a").unwrap();
    assert!(std::sync::Arc::ptr_eq(&a.vitals, &moved.vitals));
    assert_eq!((moved.record.port, moved.origin), (81, Origin::Configuration));
    assert!(matches!(moved.duty, Duty::Maintenance { .. }), "until the next start");
    assert!(instance(&registry, "web", "b").is_none());
    let events = registry.events(0, 9).unwrap();
    let told: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(told, ["maintenance", "deregistered", "updated", "registered"]);

    let index = registry.snapshot().index;
    registry.configure(vec![record("web", "a", 81), record("web", "c", 80)]).await;
    assert_eq!(registry.snapshot().index, index, "nothing changed");
    registry.configure(Vec::new()).await;
    assert!(registry.snapshot().services.is_empty());
}

#[tokio::test]
async fn configured_instances_are_edited_in_the_file_alone() {
    let registry = registry().await;
    registry.configure(vec![record("web", "a", 80)]).await;
    register(&registry, record("web", "b", 80)).await;
    for change in
        [Change::Register(record("web", "a", 81)), Change::Deregister(service("web"), id("a"))]
    {
        let refused = apply(&registry, change).await;
        assert!(matches!(refused, Err(RegistryError::Configured(..))), "{refused:?}");
    }
    assert_eq!(registry.snapshot().services[&service("web")].instances.len(), 2);
}

#[tokio::test]
async fn a_configured_instance_takes_the_place_of_a_registered_one() {
    let registry = registry().await;
    register(&registry, record("web", "a", 80)).await;
    registry.configure(vec![record("web", "a", 90)]).await;
    let a = instance(&registry, "web", "a").unwrap();
    assert_eq!((a.origin, a.record.port), (Origin::Configuration, 90));
    // What nobody waits for goes along with the next commit.
    register(&registry, record("web", "b", 80)).await;
    let filter = AuditFilter { who: Some("configuration".to_owned()), ..Default::default() };
    let records = registry.audit(&filter, NewestFirst { before: None, limit: 9 }).await.unwrap();
    assert_eq!(records[0].action, "instance.remove");
}
