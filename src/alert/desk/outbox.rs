//! Notifications on their way: a queue for each channel, and one sending at a time of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{self, JoinError, JoinSet};

use super::channel::Setup;
use super::handle::{ChannelView, Tried};
use super::queue::{DeadLetter, Queue};
use super::room::answer;
use crate::model::{ChannelName, Notification, Receipt, SendFailure, UnixMillis};
use crate::store::alerts::{AlertWrite, HistoryEntry, HistoryEvent, Letter};
use crate::telemetry::metrics::DeskMetrics;

/// Queues, and what of them is being sent.
pub struct Outbox {
    queues: BTreeMap<ChannelName, Queue>,
    records: BTreeMap<ChannelName, Record>,
    setup: Arc<Setup>,
    sendings: JoinSet<Outcome>,
    /// To which channel each of them goes.
    under_way: HashMap<task::Id, ChannelName>,
    workers: Handle,
    metrics: DeskMetrics,
}

type Outcome = Result<Receipt, SendFailure>;

/// A sending that ended.
pub type Ended = Result<(task::Id, Outcome), JoinError>;

/// How sending to a channel went so far.
#[derive(Default)]
struct Record {
    sent: u64,
    failed: u64,
    last_success: Option<UnixMillis>,
    last_failure: Option<(UnixMillis, String)>,
}

impl Outbox {
    pub fn new(setup: Arc<Setup>, workers: Handle, metrics: DeskMetrics) -> Self {
        let (queues, records, sendings, under_way) = Default::default();
        Self { queues, records, setup, sendings, under_way, workers, metrics }
    }

    /// Other channels from now on; what is being sent ends as it began.
    pub fn set_up(&mut self, setup: Arc<Setup>) {
        self.setup = setup;
        self.queues.keys().for_each(|channel| self.forget_series(channel));
    }

    /// What the configuration does not name is counted while it has something to send.
    fn forget_series(&self, channel: &ChannelName) {
        let is_idle = self.queues.get(channel).is_none_or(|queue| queue.waiting() == 0);
        if is_idle && !self.setup.channels.contains_key(channel) {
            self.metrics.forget(channel.as_str());
        }
    }

    /// What a former process left in a queue.
    pub fn restore(&mut self, letter: Letter) {
        let channel = letter.channel.clone();
        let queue = self.queue(&channel);
        queue.restore(letter);
        let waiting = queue.waiting();
        self.metrics.queued(channel.as_str(), waiting);
    }

    /// The queue of a channel.
    pub fn queue(&mut self, channel: &ChannelName) -> &mut Queue {
        let begin = || Queue::new(channel.clone());
        self.queues.entry(channel.clone()).or_insert_with(begin)
    }

    /// The queue of a channel that has, or had, something to send.
    pub fn known(&mut self, channel: &ChannelName) -> Option<&mut Queue> {
        self.queues.get_mut(channel)
    }

    /// Takes a notification. Returns what happened, if one was given up for it.
    pub fn push(
        &mut self,
        channel: &ChannelName,
        notification: Notification,
        now: UnixMillis,
    ) -> Option<HistoryEntry> {
        let queue = self.queue(channel);
        let dead = queue.push(notification, now);
        let waiting = queue.waiting();
        self.metrics.queued(channel.as_str(), waiting);
        dead.map(|dead| self.given_up(channel, &dead))
    }

    /// What changed and has to be kept.
    pub fn take_writes(&mut self) -> impl Iterator<Item = AlertWrite> {
        self.queues.values_mut().flat_map(Queue::take_writes)
    }

    /// When there is something to send.
    pub fn due(&self) -> Option<UnixMillis> {
        self.queues.values().filter_map(Queue::due).min()
    }

    /// Begins what may be sent.
    pub fn send(&mut self, now: UnixMillis) {
        for (name, queue) in &mut self.queues {
            let channel = self.setup.channels.get(name).cloned();
            queue.limit(channel.as_ref().and_then(|channel| channel.max_per_minute()));
            let Some(notification) = queue.begin(now) else { continue };
            let sending = self.sendings.spawn_on(
                async move {
                    match channel {
                        Some(channel) => channel.send(&notification).await,
                        None => Err(SendFailure {
                            reason: "the configuration has no such channel any more".to_owned(),
                            retryable: false,
                            retry_after: None,
                        }),
                    }
                },
                &self.workers,
            );
            self.under_way.insert(sending.id(), name.clone());
        }
    }

    /// Sends one past its queue, and says how that went.
    pub fn test(
        &self,
        channel: &ChannelName,
        notification: Box<Notification>,
        reply: oneshot::Sender<Tried>,
    ) {
        let Some(channel) = self.setup.channels.get(channel).cloned() else {
            return answer(reply, None);
        };
        self.workers.spawn(async move {
            answer(reply, Some(channel.send(&notification).await));
        });
    }

    /// The next sending that ends; `None` = there is none.
    pub async fn next_ended(&mut self) -> Option<Ended> {
        self.sendings.join_next_with_id().await
    }

    /// Notes how a sending went. Returns what happened, if the notification arrived or was given up.
    pub fn ended(&mut self, ended: Ended, now: UnixMillis) -> Option<HistoryEntry> {
        // One that panics is a bug; what waits behind it is sent all the same.
        let (sending, outcome) = ended.unwrap_or_else(|error| {
            let reason = "the channel panicked".to_owned();
            (error.id(), Err(SendFailure { reason, retryable: false, retry_after: None }))
        });
        let channel = self.under_way.remove(&sending)?;
        let happened = self.sent(&channel, outcome, now);
        let waiting = self.queues.get(&channel).map_or(0, Queue::waiting);
        self.metrics.queued(channel.as_str(), waiting);
        self.forget_series(&channel);
        happened
    }

    fn sent(
        &mut self,
        channel: &ChannelName,
        outcome: Outcome,
        now: UnixMillis,
    ) -> Option<HistoryEntry> {
        let queue = self.queues.get_mut(channel)?;
        let record = self.records.entry(channel.clone()).or_default();
        match outcome {
            Ok(Receipt(answer)) => {
                record.sent += 1;
                record.last_success = Some(now);
                self.metrics.sent(channel.as_str());
                let notification = queue.arrived()?;
                Some(entry(HistoryEvent::Sent, channel, &notification, answer, now))
            }
            Err(failure) => {
                record.failed += 1;
                self.metrics.failed(channel.as_str());
                tracing::warn!(%channel, %failure, retryable = failure.retryable, "an alert was not told");
                let dead = queue.failed(&failure, fastrand::f64(), now);
                if dead.is_none() {
                    self.metrics.retried(channel.as_str());
                }
                record.last_failure = Some((now, failure.reason));
                dead.map(|dead| self.given_up(channel, &dead))
            }
        }
    }

    fn given_up(&self, channel: &ChannelName, dead: &DeadLetter) -> HistoryEntry {
        self.metrics.dead(channel.as_str());
        tracing::error!(%channel, reason = dead.reason, "a notification was given up");
        entry(HistoryEvent::Dead, channel, &dead.notification, dead.reason.clone(), dead.at)
    }

    pub fn views(&self) -> Vec<ChannelView> {
        let names = self.setup.channels.keys().chain(self.queues.keys());
        let names: BTreeSet<_> = names.cloned().collect();
        let view = |name: ChannelName| {
            let (queue, record) = (self.queues.get(&name), self.records.get(&name));
            ChannelView {
                waiting: queue.map_or(0, Queue::waiting),
                dead: queue.into_iter().flat_map(Queue::dead).cloned().collect(),
                sent: record.map_or(0, |record| record.sent),
                failed: record.map_or(0, |record| record.failed),
                last_success: record.and_then(|record| record.last_success),
                last_failure: record.and_then(|record| record.last_failure.clone()),
                is_there: self.setup.channels.contains_key(&name),
                name,
            }
        };
        names.into_iter().map(view).collect()
    }
}

fn entry(
    event: HistoryEvent,
    channel: &ChannelName,
    notification: &Notification,
    detail: String,
    at: UnixMillis,
) -> HistoryEntry {
    HistoryEntry {
        position: 0,
        at,
        event,
        labels: notification.common_labels.clone(),
        value: None,
        channel: Some(channel.clone()),
        detail,
    }
}
