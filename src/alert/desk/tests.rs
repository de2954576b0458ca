//! The desk from what rules say to what a channel gets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::*;
use crate::alert::paging::{Plan, Silence};
use crate::alert::rules::{Evaluation, Event, Life, Phase, Raised, Record, RecordKey, Transition};
use crate::config;
use crate::model::{
    Alert, ChannelName, Labels, Notification, Receipt, RuleName, SendFailure, UnixMillis,
};
use crate::registry;
use crate::store::alerts::{
    AlertRow, AlertStore, AlertWrite, HistoryEntry, HistoryFilter, Outside,
};
use crate::store::{AlertGround, Memory, NewestFirst, StoreError};
use crate::telemetry::metrics::Metrics;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hands on what it gets, but panics of what is called `bug`.
struct Wire(UnboundedSender<Notification>, Arc<Hold>);

/// What is called `held` is begun, and waits until it may leave.
struct Hold {
    begun: Semaphore,
    leave: Semaphore,
}

#[async_trait]
impl Channel for Wire {
    async fn send(&self, notification: &Notification) -> Result<Receipt, SendFailure> {
        assert_ne!(notification.group_labels["alertname"], "bug");
        if notification.group_labels["alertname"] == "held" {
            self.1.begun.add_permits(1);
            let _left = self.1.leave.acquire().await;
        }
        let _ = self.0.send(notification.clone());
        Ok(Receipt::default())
    }
}

async fn desk() -> (Desk, Running, UnboundedReceiver<Notification>) {
    desk_over(Arc::new(Memory::default()), Plan::default().group_interval).await
}

/// The same, over a store of one's own.
async fn desk_over(
    store: Arc<dyn AlertStore>,
    group_interval: Duration,
) -> (Desk, Running, UnboundedReceiver<Notification>) {
    let hold = Hold { begun: Semaphore::new(0), leave: Semaphore::new(0) };
    desk_holding(store, group_interval, Arc::new(hold)).await
}

async fn desk_holding(
    store: Arc<dyn AlertStore>,
    group_interval: Duration,
    hold: Arc<Hold>,
) -> (Desk, Running, UnboundedReceiver<Notification>) {
    let ops = ChannelName::new("ops").unwrap();
    let (group_wait, default_channels) = (Duration::ZERO, vec![ops.clone()]);
    let plan = Plan { group_wait, group_interval, default_channels, ..Plan::default() };
    let (wire, arrived) = unbounded_channel();
    let wire: Arc<dyn Channel> = Arc::new(Wire(wire, hold));
    let setup = Setup { plan: Arc::new(plan), channels: Channels::from([(ops, wire)]) };
    let settings = config::Registry::default();
    let (registry, _) = registry::open(Arc::new(Memory::default()), settings).await.unwrap();
    let metrics = Metrics::new().desk();
    let (_, setups) = watch::channel(Some(Arc::new(setup)));
    let ground = Box::pin(std::future::ready(AlertGround::default()));
    let memory = super::Memory { store, ground };
    let (desk, running, _) = start(setups, &registry, memory, metrics).unwrap();
    (desk, running, arrived)
}

fn firing(names: &[&str]) -> Evaluation {
    let raised = |name: &&str| Raised {
        rule: RuleName::new(name).unwrap(),
        alert: Arc::new(Alert {
            labels: Labels::from([("alertname".to_owned(), name.to_string())]),
            annotations: Labels::new(),
            started: UnixMillis(0),
            ended: None,
        }),
        value: 1.0,
        channels: Arc::default(),
    };
    let firing = names.iter().map(raised).collect();
    Evaluation { firing, pending: 0, transitions: Vec::new(), dropped: 0 }
}

/// Rules are evaluated within a runtime, where waiting for room in a queue would be a panic.
#[tokio::test]
async fn what_rules_say_within_a_runtime_arrives() {
    let (desk, _running, mut arrived) = desk().await;
    desk.evaluated(firing(&["down"]), UnixMillis(1)).unwrap();
    let notification = timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
    assert_eq!((notification.sequence, notification.alerts.len()), (1, 1));
    assert_eq!(notification.group_labels["alertname"], "down");
}

#[tokio::test]
async fn a_channel_that_panics_goes_on_with_what_waits() {
    let (desk, _running, mut arrived) = desk().await;
    desk.evaluated(firing(&["bug", "down"]), UnixMillis(1)).unwrap();
    let notification = timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
    assert_eq!(notification.group_labels["alertname"], "down");
    let channels = desk.channels().await.unwrap();
    let reasons: Vec<_> = channels[0].dead.iter().map(|dead| dead.reason.as_str()).collect();
    assert_eq!(reasons, ["the channel panicked"]);
}

fn alert(name: &str, ended: Option<UnixMillis>) -> Alert {
    Alert {
        labels: Labels::from([("alertname".to_owned(), name.to_owned())]),
        annotations: Labels::new(),
        started: UnixMillis(1),
        ended,
    }
}

fn outside(name: &str, ended: Option<UnixMillis>) -> Vec<Foreign> {
    vec![Foreign { alert: alert(name, ended), route: Arc::default() }]
}

/// What happened to the rule `down`, of which `record` is to be kept.
fn step(event: Event, ended: Option<UnixMillis>, kept: bool) -> Transition {
    let key = RecordKey { rule: RuleName::new("down").unwrap(), group: Labels::new() };
    let alert = Arc::new(alert("down", ended));
    let record = Record {
        key: key.clone(),
        meaning: "m".to_owned(),
        life: Life { since: UnixMillis(1), phase: Phase::Pending },
        value: 1.0,
        labels: alert.labels.clone(),
        annotations: Labels::new(),
        channels: Arc::default(),
    };
    let record = kept.then_some(record);
    Transition {
        key,
        event,
        at: UnixMillis(1),
        value: 1.0,
        alert,
        channels: Arc::default(),
        record,
    }
}

async fn rows(store: &Memory) -> Vec<AlertRow> {
    store.alerts().await.unwrap().rows
}

/// Waits until the store has these rows and no others.
async fn comes_to(store: &Memory, expected: &[AlertRow]) {
    let waited = timeout(PATIENCE, async {
        while rows(store).await != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    if waited.await.is_err() {
        assert_eq!(rows(store).await, expected);
    }
}

fn sequence(last: u64) -> AlertRow {
    AlertRow::Sequence(ChannelName::new("ops").unwrap(), last)
}

#[tokio::test]
async fn of_a_rules_alert_that_is_over_nothing_is_kept() {
    let store = Arc::new(Memory::default());
    let (desk, _running, mut arrived) = desk_over(store.clone(), Duration::from_millis(1)).await;
    let mut evaluation = firing(&["down"]);
    evaluation.transitions.push(step(Event::Firing, None, true));
    desk.evaluated(evaluation, UnixMillis(1)).unwrap();
    timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
    let kept = rows(&store).await;
    let is = |what: fn(&AlertRow) -> bool| kept.iter().any(what);
    assert!(is(|row| matches!(row, AlertRow::Rule(_))), "{kept:?}");
    assert!(is(|row| matches!(row, AlertRow::Group(..))), "{kept:?}");
    assert!(is(|row| matches!(row, AlertRow::Evaluated(UnixMillis(1)))), "{kept:?}");
    let mut evaluation = firing(&[]);
    evaluation.transitions.push(step(Event::Resolved, Some(UnixMillis(2)), false));
    desk.evaluated(evaluation, UnixMillis(2)).unwrap();
    comes_to(&store, &[sequence(2), AlertRow::Evaluated(UnixMillis(2))]).await;
    // While one waits to fire, it matters when it was last looked at; while nothing does, not.
    let pending = |pending| Evaluation { pending, ..firing(&[]) };
    desk.evaluated(pending(1), UnixMillis(3)).unwrap();
    desk.evaluated(pending(0), UnixMillis(4)).unwrap();
    comes_to(&store, &[sequence(2), AlertRow::Evaluated(UnixMillis(3))]).await;
}

#[tokio::test]
async fn of_an_alert_from_outside_its_end_is_kept_until_it_was_told_and_then_nothing() {
    let store = Arc::new(Memory::default());
    let (desk, running, mut arrived) = desk_over(store.clone(), PATIENCE).await;
    desk.receive(outside("down", None)).await.unwrap();
    timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
    let end = UnixMillis(2);
    desk.receive(outside("down", Some(end))).await.unwrap();
    let kept = rows(&store).await;
    let told = kept.iter().find_map(|row| match row {
        AlertRow::Outside(Outside { alert, expires, .. }) => Some((alert.ended, *expires)),
        _ => None,
    });
    assert_eq!(told, Some((Some(end), end)), "{kept:?}");
    drop((desk, running));

    let store = Arc::new(Memory::default());
    let (desk, _running, mut arrived) = desk_over(store.clone(), Duration::from_millis(1)).await;
    for ended in [None, Some(end)] {
        desk.receive(outside("down", ended)).await.unwrap();
        timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
    }
    comes_to(&store, &[sequence(2)]).await;
}

#[tokio::test]
async fn a_silence_that_is_long_over_is_kept_no_more() {
    let store = Arc::new(Memory::default());
    let (desk, _running, _) = desk_over(store.clone(), PATIENCE).await;
    let silence = Silence {
        id: "old".to_owned(),
        matchers: Default::default(),
        author: String::new(),
        comment: String::new(),
        starts: UnixMillis(0),
        ends: UnixMillis(1),
    };
    desk.silence(silence).await.unwrap();
    comes_to(&store, &[]).await;
    assert_eq!(desk.silences().await.unwrap(), []);
}

/// Takes nothing.
struct Full;

#[async_trait]
impl AlertStore for Full {
    async fn alerts(&self) -> Result<AlertGround, StoreError> {
        Ok(AlertGround::default())
    }

    async fn keep_alerts(&self, _: &[AlertWrite], _: u64) -> Result<(), StoreError> {
        Err(StoreError::Unusable { place: "here".to_owned(), error: "disk full".to_owned() })
    }

    async fn alert_history(
        &self,
        _: &HistoryFilter,
        _: NewestFirst,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn who_tells_of_an_alert_hears_that_it_could_not_be_kept_and_people_are_told() {
    let (desk, _running, mut arrived) = desk_over(Arc::new(Full), PATIENCE).await;
    assert_eq!(desk.receive(outside("down", None)).await, Err(DeskError::NotKept));
    let told = timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap();
    assert_eq!(told.group_labels["alertname"], "down");
}

#[tokio::test]
async fn at_the_end_what_is_on_its_way_is_waited_for_and_kept_as_arrived() {
    let store = Arc::new(Memory::default());
    let hold = Arc::new(Hold { begun: Semaphore::new(0), leave: Semaphore::new(0) });
    let (desk, running, mut arrived) = desk_holding(store.clone(), PATIENCE, hold.clone()).await;
    desk.evaluated(firing(&["held"]), UnixMillis(1)).unwrap();
    timeout(PATIENCE, hold.begun.acquire()).await.unwrap().unwrap().forget();
    let is_letter = |row: &AlertRow| matches!(row, AlertRow::Letter(_));
    assert!(rows(&store).await.iter().any(is_letter), "it is on its way");
    let mut end = tokio::task::spawn_blocking(move || drop(running));
    let too_soon = timeout(Duration::from_millis(200), &mut end).await;
    assert!(too_soon.is_err(), "it is waited for");
    hold.leave.add_permits(1);
    timeout(PATIENCE, end).await.unwrap().unwrap();
    assert_eq!(arrived.try_recv().unwrap().sequence, 1);
    assert!(!rows(&store).await.iter().any(is_letter), "another process would tell it again");
}
