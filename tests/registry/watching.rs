//! Watchers see states in order, and always the last one.

use std::collections::BTreeSet;

use proconsul::model::HealthStatus;
use proconsul::registry::{Change, Registry};

use super::bench::*;

const WRITERS: u16 = 8;
const CHANGES: u16 = 60;
const WATCHERS: usize = 16;

/// Follows one service until its instance `last` is gone from it.
async fn watch(registry: Registry, name: &'static str) -> u64 {
    let mut index = 0;
    loop {
        let snapshot = registry.changed(&service(name), index).await;
        let now = snapshot.index_of(&service(name));
        assert!(now > index, "a watcher went from {index} to {now}");
        assert!(now <= snapshot.index);
        index = now;
        let view = snapshot.services.get(&service(name));
        let is_done = |i: &str| {
            let instance = view.and_then(|view| view.instances.get(&id(i)));
            instance.is_some_and(|instance| instance.record.port == CHANGES)
        };
        if (0..WRITERS).all(|writer| is_done(&format!("i{writer}"))) {
            return index;
        }
    }
}

/// Changes an instance of each service again and again, with health flips in between.
async fn write(registry: Registry, writer: u16) {
    let name = format!("i{writer}");
    for port in 1..=CHANGES {
        for service in ["web", "api"] {
            let applied = register(&registry, record(service, &name, port)).await;
            let seen = registry.snapshot();
            assert!(seen.index >= applied.index, "what is acknowledged is published");
            let status = if port % 2 == 0 { HealthStatus::Passing } else { HealthStatus::Critical };
            registry.observe(vec![observed(service, &name, status, "flip")]).await;
        }
    }
}

/// Takes what a follower is told until it knows the end of both services.
async fn follow(registry: Registry, mut follower: proconsul::registry::Follower) -> BTreeSet<u64> {
    let mut indexes = BTreeSet::new();
    loop {
        let told = follower.next().await;
        let snapshot = registry.snapshot();
        for name in ["web", "api"] {
            if told.contains(&service(name)) {
                indexes.insert(snapshot.index_of(&service(name)));
            }
        }
        let done = |name| {
            let view = snapshot.services.get(&service(name));
            view.is_some_and(|view| {
                view.instances.len() == usize::from(WRITERS)
                    && view.instances.values().all(|i| i.record.port == CHANGES)
            })
        };
        if done("web") && done("api") {
            return indexes;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn watchers_see_growing_indexes_and_end_at_the_last_state() {
    let registry = registry().await;
    let all = async {
        let follower = tokio::spawn(follow(registry.clone(), registry.follow()));
        let watchers: Vec<_> = (0..WATCHERS)
            .map(|n| tokio::spawn(watch(registry.clone(), ["web", "api"][n % 2])))
            .collect();
        let writers: Vec<_> =
            (0..WRITERS).map(|n| tokio::spawn(write(registry.clone(), n))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        for watcher in watchers {
            watcher.await.unwrap();
        }
        assert!(!follower.await.unwrap().is_empty());
    };
    tokio::time::timeout(PATIENCE * 3, all).await.expect("the last state reaches everybody");
    let indexes: Vec<_> =
        registry.events(0, usize::MAX).unwrap().iter().map(|event| event.index).collect();
    assert!(indexes.is_sorted_by(|a, b| a < b), "each event has an index of its own, in order");
}

#[tokio::test]
async fn who_waits_for_a_service_that_goes_is_told() {
    let registry = registry().await;
    let applied = register(&registry, record("web", "a", 80)).await;
    let web = service("web");
    let waiting = registry.changed(&web, applied.index);
    let leaving = apply(&registry, Change::Deregister(service("web"), id("a")));
    let (snapshot, left) = tokio::join!(waiting, leaving);
    left.unwrap();
    let index = snapshot.index_of(&service("web"));
    until(&registry, "web", |s| !s.services.contains_key(&service("web"))).await;
    assert!(registry.snapshot().index_of(&service("web")) > index);
}
