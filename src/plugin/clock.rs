//! What time it is for a plugin's `loads`: the process's coarse clock, or one that a simulation sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::telemetry::clock::coarse_ms;

/// A clock in milliseconds that may wrap.
#[derive(Debug, Clone, Default)]
pub(super) enum Clock {
    #[default]
    Coarse,
    Simulated(SimulatedClock),
}

impl Clock {
    pub(super) fn now_ms(&self) -> u32 {
        match self {
            Clock::Coarse => coarse_ms(),
            Clock::Simulated(clock) => clock.now_ms(),
        }
    }
}

/// A clock that stands until it is set.
#[derive(Debug, Clone, Default)]
pub struct SimulatedClock(Arc<AtomicU32>);

impl SimulatedClock {
    pub fn now_ms(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set_ms(&self, now_ms: u32) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}
