//! Alerts that somebody outside tells of: each fires until it ends, or is not told of for a while.

use std::sync::Arc;

use super::Pager;
use crate::model::{Alert, ChannelName, Labels, UnixMillis};

/// Alerts from outside, at most; further ones are not taken in.
pub const MAX_OUTSIDE: usize = 10_000;
/// The same for all that their labels and annotations say, in bytes.
pub const MAX_OUTSIDE_BYTES: usize = 64 << 20;

/// A word is so much larger than its text, about.
const WORD_BYTES: usize = 24;

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

/// What there is room for yet.
struct Allowance {
    alerts: usize,
    bytes: usize,
}

impl Pager {
    /// What somebody outside says. Returns for how many of them there was no room.
    pub fn received(
        &mut self,
        alerts: impl IntoIterator<Item = (Alert, Arc<[ChannelName]>)>,
        now: UnixMillis,
    ) -> usize {
        let mut allowance = self.allowance();
        let alerts = alerts.into_iter();
        let is_refused = |(alert, channels)| !self.hear(alert, channels, &mut allowance, now);
        alerts.map(is_refused).filter(|is_refused| *is_refused).count()
    }

    /// Returns whether there was room for it.
    fn hear(
        &mut self,
        mut alert: Alert,
        channels: Arc<[ChannelName]>,
        allowance: &mut Allowance,
        now: UnixMillis,
    ) -> bool {
        let held = self.alerts.get(&alert.labels);
        let known = held.filter(|known| !known.alert.is_resolved());
        if known.is_some_and(|known| known.expires.is_none()) {
            return true; // rules know better whether their own alert fires
        }
        let is_new = known.is_none();
        let started = known.map_or(alert.started, |known| known.alert.started.min(alert.started));
        let expires = alert.ended.unwrap_or(now.after(self.plan.resolve_timeout));
        let ended = alert.ended.filter(|ended| *ended <= now);
        let held = held.filter(|held| held.expires.is_some()).map(|held| held.alert.clone());
        if !allowance.covers(&alert, held.as_deref()) {
            match (ended, held.as_deref()) {
                (None, _) => return false,
                // Its end is told in any case, in the words that are there.
                (Some(_), Some(held)) => alert.annotations.clone_from(&held.annotations),
                (Some(_), None) => {}
            }
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

    fn allowance(&self) -> Allowance {
        let outside = self.alerts.values().filter(|entry| entry.expires.is_some());
        let mut allowance = Allowance { alerts: MAX_OUTSIDE, bytes: MAX_OUTSIDE_BYTES };
        for entry in outside {
            allowance.alerts = allowance.alerts.saturating_sub(1);
            allowance.bytes = allowance.bytes.saturating_sub(size(&entry.alert));
        }
        allowance
    }
}

impl Allowance {
    /// Whether there is room for an alert in place of the one that is held; if so, it is taken.
    fn covers(&mut self, alert: &Alert, held: Option<&Alert>) -> bool {
        let places = self.alerts + usize::from(held.is_some());
        let bytes = self.bytes + held.map_or(0, size);
        let Some((places, bytes)) = places.checked_sub(1).zip(bytes.checked_sub(size(alert)))
        else {
            return false;
        };
        (self.alerts, self.bytes) = (places, bytes);
        true
    }
}

/// About what an alert takes in memory.
fn size(alert: &Alert) -> usize {
    let words = alert.labels.iter().chain(&alert.annotations);
    words.map(|(name, value)| name.len() + value.len() + 2 * WORD_BYTES).sum()
}
