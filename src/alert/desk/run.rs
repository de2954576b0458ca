//! The desk's loop.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::super::paging::{Page, Pager, Plan};
use super::super::rules::{Evaluation, Event};
use super::channel::Channels;
use super::handle::{AlertView, ChannelView, Desk, Foreign, Message};
use super::queue::Queue;
use super::topology::topology;
use crate::model::{Alert, ChannelName, Labels, Notification, Receipt, SendFailure, UnixMillis};
use crate::registry::{Follower, Registry};
use crate::telemetry::metrics::DeskMetrics;

/// Silences are kept for so long after their end.
const SILENCE_KEPT_MS: u64 = 5 * 24 * 60 * 60 * 1000;
/// While nothing else is due, the desk looks around this often.
const IDLE: Duration = Duration::from_secs(60);

/// The running desk. It ends when this is dropped.
pub struct Running {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported when it happened
        }
    }
}

/// Starts the desk in a thread of its own; channels work in another. To be called after the process became a
/// daemon.
pub fn start(
    plan: Arc<Plan>,
    channels: Arc<ArcSwap<Channels>>,
    registry: &Registry,
    metrics: DeskMetrics,
) -> io::Result<(Desk, Running)> {
    let (desk, inbox) = Desk::new();
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let workers = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("alert-channels")
        .enable_all()
        .build()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let follower = registry.follow();
    let room = Room {
        pager: Pager::new(plan, BTreeMap::new(), Vec::new(), now()),
        queues: BTreeMap::new(),
        records: BTreeMap::new(),
        channels,
        registry: registry.clone(),
        sendings: JoinSet::new(),
        under_way: HashMap::new(),
        workers: workers.handle().clone(),
        metrics,
    };
    let run = move || {
        runtime.block_on(async { stopped.run_until_cancelled(room.run(inbox, follower)).await });
        // A component in the middle of a computation is not waited for.
        workers.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("alert-desk".to_owned()).spawn(run)?;
    Ok((desk, Running { stop, thread: Some(thread) }))
}

/// Everything that the loop owns.
struct Room {
    pager: Pager,
    queues: BTreeMap<ChannelName, Queue>,
    records: BTreeMap<ChannelName, Record>,
    channels: Arc<ArcSwap<Channels>>,
    registry: Registry,
    sendings: JoinSet<Outcome>,
    /// To which channel each of them goes.
    under_way: HashMap<task::Id, ChannelName>,
    workers: Handle,
    metrics: DeskMetrics,
}

type Outcome = Result<Receipt, SendFailure>;

/// How sending to a channel went so far.
#[derive(Default)]
struct Record {
    sent: u64,
    failed: u64,
    last_success: Option<UnixMillis>,
    last_failure: Option<(UnixMillis, String)>,
}

impl Room {
    async fn run(mut self, mut inbox: mpsc::Receiver<Message>, mut follower: Follower) {
        self.pager.set_topology(topology(&self.registry.snapshot()));
        loop {
            self.send();
            let pause = self.pause();
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.hear(message),
                    None => return,
                },
                Some(ended) = self.sendings.join_next_with_id() => self.ended(ended),
                // Services changed: perhaps what they depend on did.
                _ = follower.next() => self.pager.set_topology(topology(&self.registry.snapshot())),
                () = tokio::time::sleep(pause) => self.look(),
            }
        }
    }

    /// Until something is due.
    fn pause(&self) -> Duration {
        let queues = self.queues.values().filter_map(Queue::due);
        let due = queues.chain(self.pager.next()).min();
        due.map_or(IDLE, |due| due.since(now()).min(IDLE))
    }

    fn hear(&mut self, message: Message) {
        match message {
            Message::Evaluated(evaluation, at) => self.evaluated(evaluation, at),
            Message::Plan(plan) => self.pager.set_plan(plan, now()),
            Message::Received(alerts, reply) => {
                for Foreign { alert, route } in alerts {
                    self.pager.received(alert, route, now());
                }
                answer(reply, ());
            }
            Message::Silence(silence, reply) => {
                self.pager.silence(silence);
                answer(reply, ());
            }
            Message::Silences(reply) => answer(reply, self.pager.silences().cloned().collect()),
            Message::Alerts(reply) => answer(reply, self.alerts()),
            Message::Channels(reply) => answer(reply, self.channel_views()),
            Message::Resend(channel, sequence, reply) => {
                let queue = self.queues.get_mut(&channel);
                answer(reply, queue.is_some_and(|queue| queue.resend(sequence, now())));
            }
            Message::Forget(channel, sequence, reply) => {
                let queue = self.queues.get_mut(&channel);
                answer(reply, queue.is_some_and(|queue| queue.forget(sequence)));
            }
            Message::Test(channel, notification, reply) => match self.channels.load().get(&channel)
            {
                None => answer(reply, None),
                Some(channel) => {
                    let channel = channel.clone();
                    self.workers.spawn(async move {
                        answer(reply, Some(channel.send(&notification).await));
                    });
                }
            },
        }
        self.look();
    }

    fn evaluated(&mut self, evaluation: Evaluation, at: UnixMillis) {
        let Evaluation { firing, transitions, .. } = evaluation;
        let firing = firing.into_iter().map(|raised| (raised.alert, raised.channels));
        let ended = transitions.into_iter().filter(|t| t.event == Event::Resolved);
        let ended = ended.map(|transition| (transition.alert, transition.channels));
        self.pager.evaluated(firing, ended, at);
    }

    /// Looks at groups that are due.
    fn look(&mut self) {
        let now = now();
        for page in self.pager.due(now).pages {
            let channel = page.key.channel.clone();
            let notification = notification(page, now);
            let queue = self.queues.entry(channel.clone()).or_default();
            if let Some(dead) = queue.push(notification, now) {
                self.metrics.dead(channel.as_str());
                tracing::error!(%channel, reason = dead.reason, "a notification was given up");
            }
            self.metrics.queued(channel.as_str(), queue.waiting());
        }
        self.pager.forget_silences(UnixMillis(now.0.saturating_sub(SILENCE_KEPT_MS)));
        self.metrics.firing(self.pager.firing());
    }

    /// Begins what may be sent.
    fn send(&mut self) {
        let (channels, now) = (self.channels.load(), now());
        for (name, queue) in &mut self.queues {
            let Some(notification) = queue.begin(now) else { continue };
            let channel = channels.get(name).cloned();
            let sending = self.sendings.spawn_on(
                async move {
                    match channel {
                        Some(channel) => channel.send(&notification).await,
                        None => Err(SendFailure {
                            reason: "the configuration has no such channel".to_owned(),
                            retryable: true,
                            retry_after: None,
                        }),
                    }
                },
                &self.workers,
            );
            self.under_way.insert(sending.id(), name.clone());
        }
    }

    fn ended(&mut self, ended: Result<(task::Id, Outcome), JoinError>) {
        // One that panics is a bug; what waits behind it is sent all the same.
        let (sending, outcome) = ended.unwrap_or_else(|error| {
            let reason = "the channel panicked".to_owned();
            (error.id(), Err(SendFailure { reason, retryable: false, retry_after: None }))
        });
        if let Some(channel) = self.under_way.remove(&sending) {
            self.sent(&channel, outcome);
        }
    }

    fn sent(&mut self, channel: &ChannelName, outcome: Outcome) {
        let now = now();
        let Some(queue) = self.queues.get_mut(channel) else { return };
        let record = self.records.entry(channel.clone()).or_default();
        match outcome {
            Ok(_) => {
                queue.arrived();
                record.sent += 1;
                record.last_success = Some(now);
                self.metrics.sent(channel.as_str());
            }
            Err(failure) => {
                record.failed += 1;
                self.metrics.failed(channel.as_str());
                tracing::warn!(%channel, %failure, retryable = failure.retryable, "an alert was not told");
                if let Some(dead) = queue.failed(&failure, fastrand::f64(), now) {
                    self.metrics.dead(channel.as_str());
                    tracing::error!(%channel, reason = dead.reason, "a notification was given up");
                }
                record.last_failure = Some((now, failure.reason));
            }
        }
        self.metrics.queued(channel.as_str(), queue.waiting());
    }

    fn alerts(&self) -> Vec<AlertView> {
        let each = self.pager.list(now()).map(|listed| AlertView {
            alert: listed.alert.clone(),
            channels: listed.channels.to_vec(),
            mute: listed.mute,
            foreign: listed.foreign,
        });
        each.collect()
    }

    fn channel_views(&self) -> Vec<ChannelView> {
        let channels = self.channels.load();
        let names = channels.keys().chain(self.queues.keys());
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
                is_there: channels.contains_key(&name),
                name,
            }
        };
        names.into_iter().map(view).collect()
    }
}

/// What a channel gets of a page; its queue gives it the sequence.
fn notification(page: Page, made: UnixMillis) -> Notification {
    let Page { key, alerts, truncated, sent: _ } = page;
    let labels = key.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    Notification {
        sequence: 0,
        group_key: format!("{{{}}}", labels.collect::<Vec<_>>().join(", ")),
        common_labels: common(&alerts, |alert| &alert.labels),
        common_annotations: common(&alerts, |alert| &alert.annotations),
        group_labels: key.labels,
        alerts,
        truncated,
        made,
    }
}

/// What all have, with the same value.
fn common(alerts: &[Alert], of: impl Fn(&Alert) -> &Labels) -> Labels {
    let Some((first, others)) = alerts.split_first() else { return Labels::new() };
    let mut common = of(first).clone();
    common.retain(|name, value| others.iter().all(|other| of(other).get(name) == Some(value)));
    common
}

/// Whoever asked may have left.
fn answer<T>(reply: tokio::sync::oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

fn now() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}
