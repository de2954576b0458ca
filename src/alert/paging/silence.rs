//! Silences: alerts of which nobody is told for a while, and who said so.

use super::matcher::Matchers;
use crate::model::UnixMillis;

/// Between two moments, nobody is told of what matches.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    pub id: String,
    pub matchers: Matchers,
    pub author: String,
    pub comment: String,
    pub starts: UnixMillis,
    pub ends: UnixMillis,
}

/// As Alertmanager calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceState {
    Pending,
    Active,
    Expired,
}

impl SilenceState {
    pub fn as_str(self) -> &'static str {
        match self {
            SilenceState::Pending => "pending",
            SilenceState::Active => "active",
            SilenceState::Expired => "expired",
        }
    }
}

impl Silence {
    pub fn state(&self, now: UnixMillis) -> SilenceState {
        if now < self.starts {
            SilenceState::Pending
        } else if now < self.ends {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }

    pub(super) fn is_active(&self, now: UnixMillis) -> bool {
        self.state(now) == SilenceState::Active
    }
}
