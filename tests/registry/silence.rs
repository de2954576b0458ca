//! Heart-beats, and what follows when they stay away. The times are short and real; the rules are tried
//! with made-up time beside them, in `registry::ttl`.

use std::time::Duration;

use proconsul::config;
use proconsul::model::{HealthStatus, ReportedLoad};
use proconsul::registry::{RegistryError, TTL_CHECK};

use super::bench::*;

const TTL: Duration = Duration::from_millis(100);

fn with_ttl(instance: &str) -> proconsul::model::InstanceRecord {
    proconsul::model::InstanceRecord { ttl: Some(TTL), ..record("web", instance, 80) }
}

fn trusting() -> config::Registry {
    config::Registry {
        ttl_grace: Duration::from_millis(300),
        self_preservation_percent: 100,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_silent_instance_is_critical_then_gone() {
    let registry = registry_with(trusting()).await;
    register(&registry, with_ttl("a")).await;
    until(&registry, "web", |s| s.instance(&service("web"), &id("a")).is_none()).await;
    let gone = registry.heartbeat(&service("web"), &id("a"), &ReportedLoad::default());
    assert!(matches!(gone, Err(RegistryError::NoService(_))));
    let messages: Vec<_> = registry.events(0, 9).unwrap().into_iter().map(|e| e.message).collect();
    assert!(
        messages[1].starts_with("ttl: passing to critical: no heart-beat for "),
        "{messages:?}"
    );
    assert!(messages[2].contains("heart-beats stayed away"), "{messages:?}");
}

#[tokio::test]
async fn a_heart_beat_or_registering_again_calls_a_lapsed_instance_back() {
    let settings = config::Registry { ttl_grace: PATIENCE, ..trusting() };
    let registry = registry_with(settings).await;
    register(&registry, with_ttl("a")).await;
    let passes = |s: &proconsul::registry::Snapshot| {
        let a = s.instance(&service("web"), &id("a")).unwrap();
        a.health.checks[&*TTL_CHECK].status == HealthStatus::Passing
    };
    until(&registry, "web", |s| !passes(s)).await;
    let load = ReportedLoad { cpu: Some(0.5), ..Default::default() };
    let next = registry.heartbeat(&service("web"), &id("a"), &load).unwrap();
    assert_eq!(next, Some(TTL));
    until(&registry, "web", passes).await;
    assert_eq!(instance(&registry, "web", "a").unwrap().vitals.load().unwrap().0, load);
    until(&registry, "web", |s| !passes(s)).await;
    let back = register(&registry, with_ttl("a")).await;
    assert!(back.instance.unwrap().is_eligible());
}

#[tokio::test]
async fn when_all_fall_silent_at_once_they_are_kept_until_they_are_heard_again() {
    let settings = config::Registry {
        ttl_grace: Duration::from_millis(1),
        self_preservation_least: 2,
        ..Default::default()
    };
    let registry = registry_with(settings).await;
    for instance in ["a", "b", "c"] {
        register(&registry, with_ttl(instance)).await;
    }
    until(&registry, "web", |snapshot| {
        let view = &snapshot.services[&service("web")];
        snapshot.self_preserving
            && view.instances.values().all(|i| i.health.status == HealthStatus::Warning)
    })
    .await;
    for instance in ["a", "b", "c"] {
        registry.heartbeat(&service("web"), &id(instance), &ReportedLoad::default()).unwrap();
    }
    until(&registry, "web", |snapshot| {
        let view = &snapshot.services[&service("web")];
        let passes = |i: &proconsul::registry::Instance| i.health.status == HealthStatus::Passing;
        !snapshot.self_preserving && view.instances.values().all(|i| passes(i))
    })
    .await;
    let events = registry.events(0, 99).unwrap();
    let of_itself = events.iter().filter(|event| event.kind == "self-preservation");
    assert_eq!(of_itself.count(), 2);
}
