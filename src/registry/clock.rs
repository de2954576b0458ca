//! The registry's time: wall-clock words, moved on by a clock that nobody sets.
//!
//! Read once at the start and counted on from there, so that a clock that jumps lapses nothing, and tests
//! may pause it.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::UnixMillis;

/// Gives the time; copies agree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    unix: UnixMillis,
    anchor: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { unix: UnixMillis::of(SystemTime::now()), anchor: Instant::now() }
    }

    pub(super) fn now(&self) -> UnixMillis {
        later(self.unix, self.anchor.elapsed())
    }

    /// When it will be `moment`.
    pub(super) fn instant(&self, moment: UnixMillis) -> Instant {
        self.anchor + moment.since(self.unix)
    }
}

/// A moment after another.
pub(super) fn later(moment: UnixMillis, by: Duration) -> UnixMillis {
    let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(moment.0.saturating_add(by_ms))
}
