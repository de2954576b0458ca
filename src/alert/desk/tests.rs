//! The desk from what rules say to what a channel gets.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::alert::paging::Plan;
use crate::alert::rules::{Evaluation, Raised};
use crate::config;
use crate::model::{
    Alert, ChannelName, Labels, Notification, Receipt, RuleName, SendFailure, UnixMillis,
};
use crate::registry;
use crate::store::{AlertGround, Memory};
use crate::telemetry::metrics::Metrics;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Hands on what it gets, but for what is called `bug`.
struct Wire(UnboundedSender<Notification>);

#[async_trait]
impl Channel for Wire {
    async fn send(&self, notification: &Notification) -> Result<Receipt, SendFailure> {
        assert_ne!(notification.group_labels["alertname"], "bug");
        let _ = self.0.send(notification.clone());
        Ok(Receipt::default())
    }
}

async fn desk() -> (Desk, Running, UnboundedReceiver<Notification>) {
    let ops = ChannelName::new("ops").unwrap();
    let plan =
        Plan { group_wait: Duration::ZERO, default_channels: vec![ops.clone()], ..Plan::default() };
    let (wire, arrived) = unbounded_channel();
    let wire: Arc<dyn Channel> = Arc::new(Wire(wire));
    let setup = Setup { plan: Arc::new(plan), channels: Channels::from([(ops, wire)]) };
    let settings = config::Registry::default();
    let (registry, _) = registry::open(Arc::new(Memory::default()), settings).await.unwrap();
    let metrics = Metrics::new().desk();
    let (_, setups) = watch::channel(Some(Arc::new(setup)));
    let ground = Box::pin(std::future::ready(AlertGround::default()));
    let memory = super::Memory { store: Arc::new(Memory::default()), ground };
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
