//! Times what a strategy takes to answer, without it or the pick knowing.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::balance::{Ask, EndpointSet, Miss, Selector};

/// When a pick began, and its strategy's call.
pub(in crate::proxy) struct Stopwatch {
    pub begun: Instant,
    call: OnceLock<(Instant, Instant)>,
}

impl Stopwatch {
    pub(in crate::proxy) fn start() -> Self {
        Self { begun: Instant::now(), call: OnceLock::new() }
    }

    /// When the strategy was asked, and when it had answered.
    pub(super) fn call(&self) -> Option<(Instant, Instant)> {
        self.call.get().copied()
    }

    /// The same strategy, timed.
    pub(in crate::proxy) fn on<'a>(&'a self, strategy: &'a dyn Selector) -> impl Selector + 'a {
        Timed { strategy, watch: self }
    }
}

struct Timed<'a> {
    strategy: &'a dyn Selector,
    watch: &'a Stopwatch,
}

impl Selector for Timed<'_> {
    fn select(&self, set: &Arc<EndpointSet>, ask: &Ask<'_>) -> Result<usize, Miss> {
        let begun = Instant::now();
        let answer = self.strategy.select(set, ask);
        let _ = self.watch.call.set((begun, Instant::now())); // asked once a pick
        answer
    }
}
