//! What outlives the process of an alert: plain values, for whoever keeps them.

use std::sync::Arc;

use super::state::Life;
use crate::model::{ChannelName, Labels, RuleName};

/// By what an alert is kept: there is one for each rule and group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    pub rule: RuleName,
    /// What tells the group from the others of its rule.
    pub group: Labels,
}

/// An alert that is pending or firing.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub key: RecordKey,
    /// [`super::Rule::meaning`] at that time: where it is another one now, the alert is over.
    pub meaning: String,
    pub life: Life,
    /// The last number that was wrong.
    pub value: f64,
    /// The alert's labels, by which it is resolved even if its rule is gone.
    pub labels: Labels,
    pub annotations: Labels,
    /// Who is told; empty = whoever is told by default.
    pub channels: Arc<[ChannelName]>,
}
