//! Alerts that are told together, to one channel, and what was told of them last.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use crate::model::{Alert, ChannelName, Labels, UnixMillis};

/// By what a group is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    pub channel: ChannelName,
    /// What its alerts have in common of `group_by`.
    pub labels: Labels,
}

impl GroupKey {
    /// The group of alerts with these labels.
    pub(super) fn of(channel: &ChannelName, alert: &Labels, plan: &Plan) -> Self {
        let labels = plan.group_by.iter().filter_map(|name| alert.get_key_value(name));
        let labels = labels.map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { channel: channel.clone(), labels }
    }
}

/// What was told of a group: kept over restarts, so that nothing is told twice for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sent {
    pub at: UnixMillis,
    /// Alerts of which it was told that they fire, and not yet that they are over.
    pub firing: BTreeSet<Labels>,
}

/// A group as it is.
#[derive(Debug)]
pub(super) struct Group {
    pub members: BTreeSet<Labels>,
    /// Alerts that now belong elsewhere, as they were when they left, of which it was told here that they fire:
    /// whoever was told hears an end.
    pub left: BTreeMap<Labels, Alert>,
    /// When it is looked at next.
    pub due: UnixMillis,
}

impl Group {
    pub fn new(due: UnixMillis) -> Self {
        Self { members: BTreeSet::new(), left: BTreeMap::new(), due }
    }
}

/// Whether a group is told of, given what is to be told: firing alerts (by their labels), and whether any is
/// over of which it was told that it fires.
pub(super) fn is_told<'a>(
    mut firing: impl Iterator<Item = &'a Labels>,
    any_over: bool,
    sent: Option<&Sent>,
    plan: &Plan,
    now: UnixMillis,
) -> bool {
    let Some(sent) = sent else { return firing.next().is_some() };
    let mut any = false;
    let is_new = firing.any(|labels| {
        any = true;
        !sent.firing.contains(labels)
    });
    is_new || any_over || (any && now.since(sent.at) >= plan.repeat_interval)
}
