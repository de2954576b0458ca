//! Everything that the desk's loop owns, and what it does with what it hears.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::super::Kept;
use super::super::paging::{OutsideEvent, Pager};
use super::super::rules::{Evaluation, Event, Transition};
use super::channel::Setup;
use super::handle::{AlertView, DeskError, Foreign, Message};
use super::ledger::{Ledger, NotKept, WRITE_WITHIN};
use super::notification::notification;
use super::outbox::Outbox;
use super::topology::topology;
use crate::model::{Alert, UnixMillis};
use crate::registry::{Follower, Registry};
use crate::store::alerts::{
    AlertGround, AlertKey, AlertRow, AlertStore, HistoryEntry, HistoryEvent, Outside,
};
use crate::telemetry::metrics::DeskMetrics;

/// Silences are kept for so long after their end.
const SILENCE_KEPT_MS: u64 = 5 * 24 * 60 * 60 * 1000;
/// While nothing else is due, the desk looks around this often.
const IDLE: Duration = Duration::from_secs(60);
/// At the end, what is being sent has so long to arrive: what does not is sent again by the next process.
const LAST_SENDINGS: Duration = Duration::from_secs(3);
/// A desk that is dropped has ended after this.
pub const END_WITHIN: Duration = LAST_SENDINGS.saturating_add(WRITE_WITHIN);

/// The desk, once it knows what a former one knew.
pub(super) struct Room {
    pager: Pager,
    outbox: Outbox,
    ledger: Ledger,
    setups: Setups,
    registry: Registry,
    metrics: DeskMetrics,
}

/// `None` until the first configuration is in effect.
pub(super) type Setups = watch::Receiver<Option<Arc<Setup>>>;

impl Room {
    /// Goes on where a former process ended. Returns what rules are to know of it, too.
    pub fn restore(
        ground: AlertGround,
        store: Arc<dyn AlertStore>,
        workers: Handle,
        (setup, setups): (Arc<Setup>, Setups),
        registry: Registry,
        metrics: DeskMetrics,
    ) -> (Self, Kept) {
        let AlertGround { rows, position } = ground;
        let mut outbox = Outbox::new(setup.clone(), workers, metrics.clone());
        let stored: BTreeSet<_> = rows.iter().map(AlertRow::key).collect();
        let ledger = Ledger::new(store, stored, position, metrics.clone());
        let (mut kept, mut sent, mut silences) = (Kept::default(), BTreeMap::new(), Vec::new());
        let mut outside = Vec::new();
        for row in rows {
            match row {
                AlertRow::Sequence(channel, last) => outbox.queue(&channel).continue_after(last),
                AlertRow::Letter(letter) => outbox.restore(letter),
                AlertRow::Group(key, told) => _ = sent.insert(key, told),
                AlertRow::Silence(silence) => silences.push(silence),
                AlertRow::Outside(alert) => outside.push(alert),
                AlertRow::Evaluated(at) => kept.at = at,
                AlertRow::Rule(record) => kept.records.push(record),
            }
        }
        let mut pager = Pager::new(setup.plan.clone(), sent, silences, now());
        for Outside { alert, channels, expires } in outside {
            pager.remember(alert, channels, expires, now());
        }
        (Self { pager, outbox, ledger, setups, registry, metrics }, kept)
    }

    pub async fn run(
        mut self,
        mut inbox: mpsc::Receiver<Message>,
        mut follower: Follower,
        stop: CancellationToken,
    ) {
        self.pager.set_topology(topology(&self.registry.snapshot()));
        loop {
            // What fails is tried again, and does not keep people from being told.
            let _ = self.keep().await;
            self.outbox.send(now());
            let pause = self.pause();
            tokio::select! {
                () = stop.cancelled() => return self.finish().await,
                message = inbox.recv() => match message {
                    Some(message) => self.hear(message).await,
                    None => return self.finish().await,
                },
                Some(ended) = self.outbox.next_ended() => {
                    let happened = self.outbox.ended(ended, now());
                    happened.into_iter().for_each(|entry| self.ledger.append(entry));
                }
                Ok(()) = self.setups.changed() => {
                    let setup = self.setups.borrow_and_update().clone();
                    if let Some(setup) = setup {
                        self.pager.set_plan(setup.plan.clone(), now());
                        self.outbox.set_up(setup);
                        self.look();
                    }
                }
                // Services changed: perhaps what they depend on did.
                _ = follower.next() => {
                    let begun = Instant::now();
                    self.pager.set_topology(topology(&self.registry.snapshot()));
                    follower.worked(begun.elapsed());
                }
                () = tokio::time::sleep(pause) => self.look(),
            }
        }
    }

    /// Begins nothing any more, and leaves to the next process what this one did not end.
    async fn finish(mut self) {
        let last = async {
            while let Some(ended) = self.outbox.next_ended().await {
                let happened = self.outbox.ended(ended, now());
                happened.into_iter().for_each(|entry| self.ledger.append(entry));
            }
        };
        let in_time = tokio::time::timeout(LAST_SENDINGS, last).await;
        if in_time.is_err() {
            tracing::info!("what was being told of alerts is told again by the next process");
        }
        let _ = self.keep().await; // said where it fails
    }

    /// Until something is due.
    fn pause(&self) -> Duration {
        let due = [self.outbox.due(), self.pager.next(), self.ledger.due()];
        let due = due.into_iter().flatten().min();
        due.map_or(IDLE, |due| due.since(now()).min(IDLE))
    }

    /// Writes what changed.
    async fn keep(&mut self) -> Result<(), NotKept> {
        self.ledger.write(self.outbox.take_writes());
        self.ledger.keep(now()).await
    }

    async fn hear(&mut self, message: Message) {
        match message {
            Message::Evaluated(evaluation, at) => self.evaluated(evaluation, at),
            Message::Received(alerts, reply) => {
                let refused = self.received(alerts);
                self.look();
                let kept = self.keep().await;
                answer(reply, acknowledged(kept).and(refused));
            }
            Message::Silence(silence, reply) => {
                self.ledger.put(AlertRow::Silence(silence.clone()));
                self.pager.silence(silence);
                let kept = self.keep().await;
                answer(reply, acknowledged(kept));
            }
            Message::Silences(reply) => answer(reply, self.pager.silences().cloned().collect()),
            Message::Alerts(reply) => answer(reply, self.alerts()),
            Message::Channels(reply) => answer(reply, self.outbox.views()),
            Message::Resend(channel, sequence, reply) => {
                let queue = self.outbox.known(&channel);
                let was_there = queue.is_some_and(|queue| queue.resend(sequence, now()));
                let kept = self.keep().await;
                answer(reply, acknowledged(kept).map(|()| was_there));
            }
            Message::Forget(channel, sequence, reply) => {
                let queue = self.outbox.known(&channel);
                let was_there = queue.is_some_and(|queue| queue.forget(sequence));
                let kept = self.keep().await;
                answer(reply, acknowledged(kept).map(|()| was_there));
            }
            Message::Test(channel, notification, reply) => {
                self.outbox.test(&channel, notification, reply);
            }
        }
        self.look();
    }

    fn received(&mut self, alerts: Vec<Foreign>) -> Result<(), DeskError> {
        let alerts = alerts.into_iter().map(|Foreign { alert, route }| (alert, route));
        match self.pager.received(alerts, now()) {
            0 => Ok(()),
            refused => Err(DeskError::Full { refused }),
        }
    }

    fn evaluated(&mut self, evaluation: Evaluation, at: UnixMillis) {
        let Evaluation { firing, transitions, pending, .. } = evaluation;
        if pending > 0 || !transitions.is_empty() {
            self.ledger.put(AlertRow::Evaluated(at));
        }
        for transition in &transitions {
            self.remember(transition);
        }
        let firing = firing.into_iter().map(|raised| (raised.alert, raised.channels));
        let ended = transitions.into_iter().filter(|t| t.event == Event::Resolved);
        let ended = ended.map(|transition| (transition.alert, transition.channels));
        self.pager.evaluated(firing, ended, at);
        self.metrics.set_suppressed(self.pager.suppressed(now()));
    }

    /// What of a rule's alert is to outlive the process.
    fn remember(&mut self, transition: &Transition) {
        let Transition { key, event, at, value, alert, channels: _, record } = transition;
        match record {
            Some(record) => self.ledger.put(AlertRow::Rule(record.clone())),
            None => self.ledger.forget(AlertKey::Rule(key.clone())),
        }
        match event {
            Event::Firing => {
                self.ledger.append(entry(HistoryEvent::Firing, alert, Some(*value), *at));
            }
            Event::Resolved => {
                self.ledger.append(entry(HistoryEvent::Resolved, alert, Some(*value), *at));
            }
            Event::Pending | Event::Lapsed => {}
        }
    }

    /// Looks at groups that are due.
    fn look(&mut self) {
        let now = now();
        let due = self.pager.due(now);
        for page in due.pages {
            self.ledger.put(AlertRow::Group(page.key.clone(), page.sent.clone()));
            let channel = page.key.channel.clone();
            let given_up = self.outbox.push(&channel, notification(page, now), now);
            given_up.into_iter().for_each(|entry| self.ledger.append(entry));
        }
        for group in due.forgotten {
            self.ledger.forget(AlertKey::Group(group));
        }
        for id in self.pager.forget_silences(UnixMillis(now.0.saturating_sub(SILENCE_KEPT_MS))) {
            self.ledger.forget(AlertKey::Silence(id));
        }
        for event in self.pager.take_events() {
            self.heard_outside(event, now);
        }
        self.metrics.firing(self.pager.firing());
    }

    fn heard_outside(&mut self, event: OutsideEvent, now: UnixMillis) {
        match event {
            OutsideEvent::Heard { alert, channels, expires, is_new } => {
                if is_new {
                    self.ledger.append(entry(HistoryEvent::Firing, &alert, None, now));
                }
                self.ledger.put(AlertRow::Outside(Outside { alert, channels, expires }));
            }
            OutsideEvent::Ended { alert, channels } => {
                let at = alert.ended.unwrap_or(now);
                self.ledger.append(entry(HistoryEvent::Resolved, &alert, None, at));
                self.ledger.put(AlertRow::Outside(Outside { alert, channels, expires: at }));
            }
            OutsideEvent::Forgotten(labels) => self.ledger.forget(AlertKey::Outside(labels)),
        }
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
}

fn entry(event: HistoryEvent, alert: &Alert, value: Option<f64>, at: UnixMillis) -> HistoryEntry {
    HistoryEntry {
        position: 0,
        at,
        event,
        labels: alert.labels.clone(),
        value,
        channel: None,
        detail: alert.annotations.get("summary").cloned().unwrap_or_default(),
    }
}

fn acknowledged(kept: Result<(), NotKept>) -> Result<(), DeskError> {
    kept.map_err(|NotKept| DeskError::NotKept)
}

/// Whoever asked may have left.
pub(super) fn answer<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}

fn now() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}
