//! What each store promises.

use std::sync::Arc;
use std::time::Duration;

use proconsul::model::{ChannelName, Duty, UnixMillis};
use proconsul::store::{
    AlertGround, AlertKey, AlertRow, AlertStore, AlertWrite, AuditFilter, HistoryEvent,
    HistoryFilter, Memory, NewestFirst, Sqlite, Store, StoredEvent, StoredInstance, Write,
};

use super::samples::*;

/// Tries the same on a fresh store of each kind.
async fn on_each<F: Future<Output = ()>>(promise: impl Fn(Arc<dyn Store>) -> F) {
    promise(Arc::new(Memory::default())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::open(&folder.path().join("registry.db"), Duration::ZERO).await.unwrap();
    promise(Arc::new(file)).await;
}

#[tokio::test]
async fn what_was_written_is_read_again() {
    on_each(|store| async move {
        assert_eq!(store.load().await.unwrap().index, 0);
        let whole = StoredEvent { service: None, instance: None, ..event(2) };
        let draining = StoredInstance { duty: Duty::Draining, ..instance("web", "b") };
        let batch = [
            Write::PutService(service("web")),
            Write::PutInstance(instance("web", "a")),
            Write::PutInstance(draining.clone()),
            Write::PutSubscription(subscription("one")),
            Write::AppendEvent(event(1)),
            Write::AppendEvent(whole.clone()),
            Write::PutIndex(1 << 52),
        ];
        store.commit(&batch).await.unwrap();
        let ground = store.load().await.unwrap();
        assert_eq!(ground.index, 1 << 52);
        assert_eq!(ground.services, [service("web")]);
        assert_eq!(ground.instances, [instance("web", "a"), draining]);
        assert_eq!(ground.subscriptions, [subscription("one")]);
        assert_eq!(ground.events, [event(1), whole]);
    })
    .await;
}

#[tokio::test]
async fn the_same_name_again_takes_the_place_and_what_is_deleted_is_gone() {
    on_each(|store| async move {
        let active = StoredInstance { duty: Duty::Active, ..instance("web", "a") };
        let batch = [
            Write::PutService(service("web")),
            Write::PutService(service("web")),
            Write::PutInstance(instance("web", "a")),
            Write::PutInstance(active.clone()),
            Write::PutInstance(instance("web", "b")),
            Write::DeleteInstance(key("web"), id("b")),
            Write::PutSubscription(subscription("one")),
            Write::PutIndex(1),
            Write::PutIndex(2),
        ];
        store.commit(&batch).await.unwrap();
        assert_eq!(store.load().await.unwrap().instances, [active]);
        let batch = [
            Write::DeleteService(key("web")),
            Write::DeleteService(key("never-there")),
            Write::DeleteInstance(key("web"), id("a")),
            Write::DeleteSubscription("one".to_owned()),
        ];
        store.commit(&batch).await.unwrap();
        let ground = store.load().await.unwrap();
        assert_eq!((ground.services.len(), ground.instances.len(), ground.index), (0, 0, 2));
        assert_eq!(ground.subscriptions, []);
    })
    .await;
}

#[tokio::test]
async fn audit_records_are_found_by_who_what_and_when() {
    on_each(|store| async move {
        let records = [
            audit(1, "ann", "shop/web"),
            audit(2, "bob", "shop/web/a"),
            audit(3, "ann", "shop/web_2/a"),
            audit(4, "ann", "shop/webber"),
        ];
        let writes: Vec<_> = records.into_iter().map(Write::AppendAudit).collect();
        store.commit(&writes).await.unwrap();
        let find = async |filter: AuditFilter, before, limit| {
            let found = store.audit(&filter, NewestFirst { before, limit }).await.unwrap();
            found.into_iter().map(|record| record.index).collect::<Vec<_>>()
        };
        let all = AuditFilter::default;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(find(all(), None, 9).await, [4, 3, 2, 1]);
        assert_eq!(find(all(), Some(4), 2).await, [3, 2]);
        assert_eq!(find(AuditFilter { who: text("ann"), ..all() }, None, 9).await, [4, 3, 1]);
        let below = AuditFilter { subject: text("shop/web"), ..all() };
        assert_eq!(find(below, None, 9).await, [2, 1], "neither `webber` nor `web_2`");
        let since = AuditFilter { since: Some(UnixMillis(30)), ..all() };
        assert_eq!(find(since, None, 9).await, [4, 3]);
        let none = AuditFilter { action: text("service.forget"), ..all() };
        assert!(find(none, None, 9).await.is_empty());
        assert_eq!(
            store.audit(&all(), NewestFirst { before: Some(2), limit: 1 }).await.unwrap(),
            [audit(1, "ann", "shop/web")]
        );
    })
    .await;
}

#[tokio::test]
async fn only_the_newest_are_kept() {
    on_each(|store| async move {
        let events = (1..=10).map(event).map(Write::AppendEvent);
        let audits = (1..=10).map(|n| audit(n, "ann", "x")).map(Write::AppendAudit);
        let trim = [Write::Trim { audit: 3, events: 100 }];
        let batch: Vec<_> = events.chain(audits).chain(trim).collect();
        store.commit(&batch).await.unwrap();
        let kept = store
            .audit(&AuditFilter::default(), NewestFirst { before: None, limit: 99 })
            .await
            .unwrap();
        assert_eq!(kept.iter().map(|record| record.index).collect::<Vec<_>>(), [10, 9, 8]);
        assert_eq!(store.load().await.unwrap().events.len(), 10);
        store.commit(&[Write::Trim { audit: 3, events: 1 }]).await.unwrap();
        assert_eq!(store.load().await.unwrap().events, [event(10)]);
    })
    .await;
}

/// Tries the same on a fresh store of alerts of each kind.
async fn on_each_of_alerts<F: Future<Output = ()>>(promise: impl Fn(Arc<dyn AlertStore>) -> F) {
    promise(Arc::new(Memory::default())).await;
    let folder = tempfile::tempdir().unwrap();
    let file = Sqlite::open(&folder.path().join("registry.db"), Duration::ZERO).await.unwrap();
    promise(Arc::new(file)).await;
}

const MANY: u64 = 1000;

#[tokio::test]
async fn what_is_known_of_alerts_is_read_again() {
    on_each_of_alerts(|store| async move {
        assert_eq!(store.alerts().await.unwrap(), AlertGround::default());
        let rows = alert_rows();
        let puts: Vec<_> = rows.iter().cloned().map(AlertWrite::Put).collect();
        store.keep_alerts(&puts, MANY).await.unwrap();
        assert_eq!(store.alerts().await.unwrap(), AlertGround { rows: rows.clone(), position: 0 });
        // What has the same key takes its place.
        let AlertRow::Sequence(channel, last) = &rows[0] else { panic!("{:?}", rows[0]) };
        let next = AlertRow::Sequence(channel.clone(), last + 1);
        store.keep_alerts(&[AlertWrite::Put(next.clone())], MANY).await.unwrap();
        let known = store.alerts().await.unwrap().rows;
        assert_eq!((&known[0], &known[1..]), (&next, &rows[1..]));
        for row in &rows {
            let forget = [AlertWrite::Forget(row.key()), AlertWrite::Forget(row.key())];
            store.keep_alerts(&forget, MANY).await.unwrap();
            let left = store.alerts().await.unwrap().rows;
            assert!(left.iter().all(|left| left.key() != row.key()), "{row:?}");
        }
        assert_eq!(store.alerts().await.unwrap(), AlertGround::default());
        let never = AlertWrite::Forget(AlertKey::Silence("never there".to_owned()));
        store.keep_alerts(&[never], MANY).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_happened_is_found_by_what_and_when_and_the_oldest_goes() {
    on_each_of_alerts(|store| async move {
        use HistoryEvent::{Dead, Firing, Resolved, Sent};
        let events = [Firing, Sent, Resolved, Dead, Firing];
        let entries: Vec<_> =
            (1..).zip(events).map(|(position, event)| happened(position, event)).collect();
        let appends: Vec<_> = entries.iter().cloned().map(AlertWrite::Append).collect();
        store.keep_alerts(&appends[..3], 4).await.unwrap();
        store.keep_alerts(&appends[3..], 4).await.unwrap();
        assert_eq!(store.alerts().await.unwrap().position, 5);
        let find = async |filter: HistoryFilter, before, limit| {
            let found = store.alert_history(&filter, NewestFirst { before, limit }).await.unwrap();
            found.into_iter().map(|entry| entry.position).collect::<Vec<_>>()
        };
        let all = HistoryFilter::default;
        assert_eq!(find(all(), None, 99).await, [5, 4, 3, 2]);
        assert_eq!(find(all(), Some(5), 2).await, [4, 3]);
        assert_eq!(find(HistoryFilter { event: Some(Firing), ..all() }, None, 9).await, [5]);
        let since = HistoryFilter { since: Some(UnixMillis(40)), ..all() };
        assert_eq!(find(since, None, 9).await, [5, 4]);
        let channel = ChannelName::new("ops").ok();
        assert_eq!(find(HistoryFilter { channel, ..all() }, None, 9).await, [2]);
        let mut labelled = all();
        labelled.matchers.0 = vec!["n=~3|4".parse().unwrap(), "alertname=down".parse().unwrap()];
        assert_eq!(find(labelled, None, 1).await, [4]);
        let newest =
            store.alert_history(&all(), NewestFirst { before: None, limit: 2 }).await.unwrap();
        assert_eq!(newest, [entries[4].clone(), entries[3].clone()]);
    })
    .await;
}
