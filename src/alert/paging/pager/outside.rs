//! Alerts that somebody outside tells of: each fires until it ends, or is not told of for a while.

use std::sync::Arc;

use super::Pager;
use crate::model::{Alert, ChannelName, Labels, UnixMillis};

/// Alerts from outside, at most; further ones are not taken in.
pub const MAX_OUTSIDE: usize = 10_000;

/// What happened to an alert that no rule of ours knows.
#[derive(Debug, Clone, PartialEq)]
pub enum OutsideEvent {
    /// It fires, or still does, or somebody said that it is over.
    Heard {
        alert: Arc<Alert>,
        channels: Arc<[ChannelName]>,
        expires: UnixMillis,
        /// It did not fire before.
        is_new: bool,
    },
    Ended {
        alert: Arc<Alert>,
        channels: Arc<[ChannelName]>,
    },
    /// Nothing of it has to be known any more.
    Forgotten(Labels),
}

impl Pager {
    /// What somebody outside says. Returns whether there was room for it.
    pub fn received(
        &mut self,
        alert: Alert,
        channels: Arc<[ChannelName]>,
        now: UnixMillis,
    ) -> bool {
        let known = self.alerts.get(&alert.labels).filter(|known| !known.alert.is_resolved());
        if known.is_some_and(|known| known.expires.is_none()) {
            return true; // rules know better whether their own alert fires
        }
        let is_new = known.is_none();
        let started = known.map_or(alert.started, |known| known.alert.started.min(alert.started));
        let expires = alert.ended.unwrap_or(now.after(self.plan.resolve_timeout));
        let ended = alert.ended.filter(|ended| *ended <= now);
        if is_new && (ended.is_none() && self.is_full()) {
            return false;
        }
        let alert = Arc::new(Alert { started, ended, ..alert });
        match (ended, is_new) {
            (Some(_), true) => {} // what is over and was never told of is nobody's concern
            (Some(_), false) => {
                let (alert, channels) = (alert.clone(), channels.clone());
                self.events.push(OutsideEvent::Ended { alert, channels });
            }
            (None, is_new) => {
                let (alert, channels) = (alert.clone(), channels.clone());
                self.events.push(OutsideEvent::Heard { alert, channels, expires, is_new });
            }
        }
        self.take(alert, channels, Some(expires), now);
        true
    }

    /// What a former process was told, and had not forgotten.
    pub fn remember(
        &mut self,
        alert: Arc<Alert>,
        channels: Arc<[ChannelName]>,
        expires: UnixMillis,
        now: UnixMillis,
    ) {
        self.take(alert, channels, Some(expires), now);
    }

    /// What happened since this was asked last.
    pub fn take_events(&mut self) -> Vec<OutsideEvent> {
        std::mem::take(&mut self.events)
    }

    fn is_full(&self) -> bool {
        let outside = || self.alerts.values().filter(|entry| entry.expires.is_some()).count();
        self.alerts.len() >= MAX_OUTSIDE && outside() >= MAX_OUTSIDE
    }
}
