//! What of alerts outlives the process: what fires, what was told of it, what waits to be sent.
//!
//! Rows, not rules: a row is put in place of the one with the same key. Whoever decides puts together what
//! must agree.

use std::sync::Arc;

use async_trait::async_trait;

use super::{NewestFirst, StoreError};
use crate::alert::paging::{GroupKey, Matchers, Sent, Silence};
use crate::alert::rules::{Record, RecordKey};
use crate::model::{Alert, ChannelName, Labels, Notification, UnixMillis};

/// Where those who see to alerts keep what they must not forget.
#[async_trait]
pub trait AlertStore: Send + Sync + 'static {
    /// Everything but the history, at start. A store that another process is about to leave is waited for.
    async fn alerts(&self) -> Result<AlertGround, StoreError>;

    /// Writes all of a batch or nothing; of the history, the newest `history` entries are kept. When it
    /// returns, the batch survives the process and the machine losing its power.
    async fn keep_alerts(&self, batch: &[AlertWrite], history: u64) -> Result<(), StoreError>;

    /// What happened, newest first.
    async fn alert_history(
        &self,
        filter: &HistoryFilter,
        page: NewestFirst,
    ) -> Result<Vec<HistoryEntry>, StoreError>;
}

/// What was kept of alerts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AlertGround {
    /// In the order of their keys.
    pub rows: Vec<AlertRow>,
    /// The highest position of the history.
    pub position: u64,
}

/// One thing that is remembered.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertRow {
    /// The sequence of the last notification that a channel was given.
    Sequence(ChannelName, u64),
    Letter(Letter),
    /// What was told of a group.
    Group(GroupKey, Sent),
    Silence(Silence),
    Outside(Outside),
    /// When rules were evaluated last.
    Evaluated(UnixMillis),
    /// An alert of a rule.
    Rule(Record),
}

/// By what a row is known. In the order in which rows are written where they are many: a process that ends
/// between two batches rather tells twice than not at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKey {
    Sequence(ChannelName),
    Letter(ChannelName, u64),
    Group(GroupKey),
    Silence(String),
    Outside(Labels),
    Evaluated,
    Rule(RecordKey),
}

/// A notification on its way, or one that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    pub channel: ChannelName,
    pub notification: Arc<Notification>,
    /// When it began to wait.
    pub since: UnixMillis,
    /// Why and when it was given up.
    pub dead: Option<(String, UnixMillis)>,
}

/// An alert that somebody outside told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    pub alert: Arc<Alert>,
    /// Who is told; empty = whoever is told by default.
    pub channels: Arc<[ChannelName]>,
    /// When it is over unless it is told of again.
    pub expires: UnixMillis,
}

/// One step of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertWrite {
    Put(AlertRow),
    Forget(AlertKey),
    Append(HistoryEntry),
}

/// Something that happened to an alert, or to a notification.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// Larger is later.
    pub position: u64,
    pub at: UnixMillis,
    pub event: HistoryEvent,
    /// Of the alert; of a notification, what its alerts have in common.
    pub labels: Labels,
    /// The number that was wrong, for alerts of rules.
    pub value: Option<f64>,
    /// Where a notification was sent.
    pub channel: Option<ChannelName>,
    /// For a person: the alert's summary, the receiver's answer, why a notification was given up.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryEvent {
    Firing,
    Resolved,
    /// A notification arrived.
    Sent,
    /// A notification was given up.
    Dead,
}

/// What entries to look for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryFilter {
    /// All have to hold for an entry's labels.
    pub matchers: Matchers,
    pub event: Option<HistoryEvent>,
    pub channel: Option<ChannelName>,
    pub since: Option<UnixMillis>,
}

impl AlertRow {
    pub fn key(&self) -> AlertKey {
        match self {
            AlertRow::Sequence(channel, _) => AlertKey::Sequence(channel.clone()),
            AlertRow::Letter(letter) => {
                AlertKey::Letter(letter.channel.clone(), letter.notification.sequence)
            }
            AlertRow::Group(key, _) => AlertKey::Group(key.clone()),
            AlertRow::Silence(silence) => AlertKey::Silence(silence.id.clone()),
            AlertRow::Outside(outside) => AlertKey::Outside(outside.alert.labels.clone()),
            AlertRow::Evaluated(_) => AlertKey::Evaluated,
            AlertRow::Rule(record) => AlertKey::Rule(record.key.clone()),
        }
    }
}

impl HistoryEvent {
    pub const ALL: [HistoryEvent; 4] =
        [HistoryEvent::Firing, HistoryEvent::Resolved, HistoryEvent::Sent, HistoryEvent::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            HistoryEvent::Firing => "firing",
            HistoryEvent::Resolved => "resolved",
            HistoryEvent::Sent => "sent",
            HistoryEvent::Dead => "dead",
        }
    }

    /// The event of a word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

impl HistoryFilter {
    /// Whether an entry is looked for.
    pub fn matches(&self, entry: &HistoryEntry) -> bool {
        let Self { matchers, event, channel, since } = self;
        since.is_none_or(|since| entry.at >= since)
            && event.is_none_or(|event| entry.event == event)
            && channel.as_ref().is_none_or(|channel| entry.channel.as_ref() == Some(channel))
            && matchers.matches(&entry.labels)
    }
}
