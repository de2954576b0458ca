//! What changes do, and what is refused.

use proconsul::config;
use proconsul::model::{Duty, GroupName, HealthStatus};
use proconsul::registry::{Change, RegistryError};
use proconsul::store::{AuditFilter, NewestFirst, Subscription};

use super::bench::*;

#[tokio::test]
async fn registering_again_is_an_update_or_nothing() {
    let registry = registry().await;
    let first = register(&registry, record("web", "a", 80)).await;
    assert!(first.created);
    assert_eq!(first.service.unwrap().instances.len(), 1);
    let again = register(&registry, record("web", "a", 80)).await;
    assert_eq!((again.created, again.index, again.instances), (false, first.index, 0));
    let moved = register(&registry, record("web", "a", 81)).await;
    assert_eq!((moved.created, moved.index > first.index), (false, true));
    assert_eq!(instance(&registry, "web", "a").unwrap().record.port, 81);
}

#[tokio::test]
async fn a_deregistered_instance_drains_and_goes_and_its_service_with_it() {
    let registry = registry().await;
    register(&registry, record("web", "a", 80)).await;
    let vitals = instance(&registry, "web", "a").unwrap().vitals.clone();
    vitals.endpoint.enter();
    let applied = apply(&registry, Change::Deregister(service("web"), id("a"))).await.unwrap();
    let draining = applied.instance.unwrap();
    assert_eq!((&draining.duty, draining.is_eligible()), (&Duty::Draining, false));
    let again = apply(&registry, Change::Deregister(service("web"), id("a"))).await.unwrap();
    assert_eq!(again.instances, 0, "it drains already");
    assert!(instance(&registry, "web", "a").is_some(), "a request is in flight");
    vitals.endpoint.leave();
    until(&registry, "web", |snapshot| !snapshot.services.contains_key(&service("web"))).await;
    let kinds: Vec<_> = registry.events(0, 9).unwrap().into_iter().map(|e| e.kind).collect();
    assert_eq!(kinds, ["registered", "draining", "deregistered"]);
}

#[tokio::test]
async fn registering_again_ends_draining_and_leaves_maintenance() {
    let registry = registry().await;
    register(&registry, record("web", "a", 80)).await;
    instance(&registry, "web", "a").unwrap().vitals.endpoint.enter();
    apply(&registry, Change::Deregister(service("web"), id("a"))).await.unwrap();
    let back = register(&registry, record("web", "a", 80)).await;
    assert_eq!(back.instance.unwrap().duty, Duty::Active);
    let out = Change::SetDuty(service("web"), id("a"), maintenance("disk"));
    apply(&registry, out).await.unwrap();
    let same = register(&registry, record("web", "a", 82)).await;
    assert_eq!(same.instance.unwrap().duty, maintenance("disk"));
}

#[tokio::test]
async fn a_group_is_operated_on_together() {
    let registry = registry().await;
    for name in ["web", "api", "other"] {
        register(&registry, record(name, "a", 80)).await;
    }
    for name in ["web", "api"] {
        apply(&registry, Change::DescribeService(described(name, "shop"))).await.unwrap();
    }
    let shop = GroupName::new("shop").unwrap();
    let change = Change::SetGroupDuty(shop.clone(), maintenance("move"));
    assert_eq!(apply(&registry, change.clone()).await.unwrap().instances, 2);
    assert_eq!(instance(&registry, "api", "a").unwrap().duty, maintenance("move"));
    assert_eq!(instance(&registry, "other", "a").unwrap().duty, Duty::Active);
    assert_eq!(apply(&registry, change).await.unwrap().instances, 0);
    let nobody = Change::SetGroupDuty(GroupName::new("x").unwrap(), Duty::Active);
    assert!(matches!(apply(&registry, nobody).await, Err(RegistryError::NoGroup(_))));
}

#[tokio::test]
async fn a_service_stays_while_it_is_described_or_has_instances() {
    let registry = registry().await;
    let describe = Change::DescribeService(described("web", "shop"));
    assert!(apply(&registry, describe.clone()).await.unwrap().created);
    let again = apply(&registry, describe).await.unwrap();
    assert_eq!((again.created, again.instances), (false, 0));
    register(&registry, record("web", "a", 80)).await;
    let forgotten = apply(&registry, Change::ForgetService(service("web"))).await.unwrap();
    let left = forgotten.service.unwrap();
    assert_eq!((left.described, left.record.group.clone()), (false, None));
    let nothing_to_forget = apply(&registry, Change::ForgetService(service("web"))).await;
    assert!(matches!(nothing_to_forget, Err(RegistryError::NotEmpty(_, 1))));
    let unknown = apply(&registry, Change::ForgetService(service("x"))).await;
    assert!(matches!(unknown, Err(RegistryError::NoService(_))));
}

#[tokio::test]
async fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let registry = registry().await;
    let first = register(&registry, record("web", "a", 80)).await.instance.unwrap();
    registry.observe(vec![observed("web", "a", HealthStatus::Warning, "slow")]).await;
    until(&registry, "web", |s| s.index_of(&service("web")) > first.index).await;
    let seen = instance(&registry, "web", "a").unwrap().index;
    assert!(seen > first.index);
    let same = Change::SetDuty(service("web"), id("a"), Duty::Active);
    apply_if(&registry, same, Some(first.index)).await.expect("a health flip is no change of it");
    let update = Change::Register(record("web", "a", 81));
    apply_if(&registry, update, Some(seen)).await.expect("nothing changed since it was seen");
    let late = apply_if(&registry, Change::Register(record("web", "a", 82)), Some(seen)).await;
    assert!(matches!(late, Err(RegistryError::Conflict { expected, .. }) if expected == seen));
    let create = apply_if(&registry, Change::Register(record("web", "a", 82)), Some(0)).await;
    assert!(matches!(create, Err(RegistryError::Conflict { .. })), "it is there");
    let invented =
        apply_if(&registry, Change::Register(record("web", "a", 82)), Some(1 << 60)).await;
    assert!(matches!(invented, Err(RegistryError::Conflict { .. })), "nobody was told this index");
    let described = Change::DescribeService(described("web", "shop"));
    apply_if(&registry, described, Some(0)).await.expect("nobody described it so far");
}

#[tokio::test]
async fn limits_hold_and_say_what_is_full() {
    let settings = config::Registry {
        max_instances: 2,
        max_services: 2,
        max_subscriptions: 1,
        ..Default::default()
    };
    let registry = registry_with(settings).await;
    register(&registry, record("web", "a", 80)).await;
    register(&registry, record("api", "a", 80)).await;
    let what = |result: Result<_, RegistryError>| result.map(|_| ()).unwrap_err().to_string();
    let third = apply(&registry, Change::Register(record("web", "b", 80))).await;
    assert!(what(third).contains("2 instances"));
    let service = apply(&registry, Change::DescribeService(described("x", "g"))).await;
    assert!(what(service).contains("2 services"));
    register(&registry, record("web", "a", 81)).await; // an update takes no room
    apply(&registry, Change::Subscribe(subscription("one"))).await.unwrap();
    let second = apply(&registry, Change::Subscribe(subscription("two"))).await;
    assert!(what(second).contains("1 subscriptions"));
}

fn subscription(id: &str) -> Subscription {
    Subscription {
        id: id.to_owned(),
        service: service("web"),
        url: "http://10.0.0.9/hook".to_owned(),
        secret: "very-secret".to_owned(),
        owner: "tester".to_owned(),
        created: Default::default(),
    }
}

#[tokio::test]
async fn every_change_is_on_record_without_secrets() {
    let registry = registry().await;
    register(&registry, record("web", "a", 80)).await;
    register(&registry, record("web", "a", 81)).await;
    apply(&registry, Change::Subscribe(subscription("one"))).await.unwrap();
    assert_eq!(registry.subscriptions().len(), 1);
    apply(&registry, Change::Unsubscribe("one".to_owned())).await.unwrap();
    assert_eq!(registry.subscriptions().len(), 0);
    let records = registry
        .audit(&AuditFilter::default(), NewestFirst { before: None, limit: 9 })
        .await
        .unwrap();
    let actions: Vec<_> = records.iter().map(|record| record.action.as_str()).collect();
    let expected =
        ["subscription.delete", "subscription.put", "instance.update", "instance.register"];
    assert_eq!(actions, expected);
    assert_eq!(records[2].subject, "default/web/a");
    assert!(
        records[2].before.contains(r#""port":80"#) && records[2].after.contains(r#""port":81"#)
    );
    assert!(records.iter().all(|record| !format!("{record:?}").contains("very-secret")));
    let filter = AuditFilter { subject: Some("default/web".to_owned()), ..Default::default() };
    assert_eq!(
        registry
            .audit(&filter, NewestFirst { before: Some(records[2].index), limit: 9 })
            .await
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn health_is_published_with_its_reason_and_never_waits_for_the_store() {
    let registry = registry().await;
    register(&registry, record("web", "a", 80)).await;
    registry.observe(vec![observed("web", "a", HealthStatus::Critical, "status 503")]).await;
    registry.observe(vec![observed("web", "nobody", HealthStatus::Critical, "x")]).await;
    until(&registry, "web", |s| !s.instance(&service("web"), &id("a")).unwrap().is_eligible())
        .await;
    let sick = instance(&registry, "web", "a").unwrap();
    assert_eq!((sick.health.status, &*sick.health.reason), (HealthStatus::Critical, "status 503"));
    let event = registry.events(0, 9).unwrap().pop().unwrap();
    assert_eq!(
        (event.kind.as_str(), event.message.as_str()),
        ("health", "http: passing to critical: status 503; the instance is critical")
    );
}

#[tokio::test]
async fn after_stopping_changes_are_refused_and_what_was_published_stays() {
    let registry = registry().await;
    register(&registry, record("web", "a", 80)).await;
    registry.stop();
    let late = apply(&registry, Change::Register(record("web", "b", 80))).await;
    if late.is_ok() {
        // It came in before the writer heard of the end; the next one cannot have.
        let later = apply(&registry, Change::Register(record("web", "c", 80))).await;
        assert!(matches!(later, Err(RegistryError::Stopping)));
    }
    assert!(instance(&registry, "web", "a").is_some());
}
