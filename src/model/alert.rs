//! What is told when something is wrong: alerts, and the notifications that carry them to people.

use std::collections::BTreeMap;
use std::time::Duration;

use super::UnixMillis;

/// Names with values, by which alerts are told apart, grouped, silenced and inhibited.
pub type Labels = BTreeMap<String, String>;

/// One thing that is wrong, or was.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Who it is: two alerts with the same labels are one. `alertname` and `severity` are among them.
    pub labels: Labels,
    /// What is said to people.
    pub annotations: Labels,
    pub started: UnixMillis,
    /// When it was over; `None` while it fires.
    pub ended: Option<UnixMillis>,
}

impl Alert {
    /// Whether it is over.
    pub fn is_resolved(&self) -> bool {
        self.ended.is_some()
    }
}

/// One message to one channel: every alert of a group, at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// Grows from one notification of a channel to its next, over restarts too: a receiver that gets one
    /// twice can tell by it.
    pub sequence: u64,
    /// The same for all notifications of a group to a channel.
    pub group_key: String,
    pub group_labels: Labels,
    /// Labels and annotations that all alerts have in common.
    pub common_labels: Labels,
    pub common_annotations: Labels,
    /// Firing ones first.
    pub alerts: Vec<Alert>,
    /// Alerts that were left out because there are too many.
    pub truncated: usize,
    pub made: UnixMillis,
}

impl Notification {
    /// Whether all of it is over.
    pub fn is_resolved(&self) -> bool {
        self.alerts.iter().all(Alert::is_resolved)
    }
}

/// A channel's word that a notification arrived: what the receiver called it, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt(pub String);

/// Why a notification did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SendFailure {
    pub reason: String,
    /// Whether trying again may help.
    pub retryable: bool,
    /// How long the receiver asked to be left alone.
    pub retry_after: Option<Duration>,
}
