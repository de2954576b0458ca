//! When a strategy that keeps failing is left alone, and when it is tried again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The part that the request path reads: two relaxed loads.
#[derive(Debug, Default)]
pub(super) struct Status {
    tripped: AtomicBool,
    failures_in_a_row: AtomicU32,
}

impl Status {
    pub(super) fn is_tripped(&self) -> bool {
        self.tripped.load(Ordering::Relaxed)
    }

    pub(super) fn set_tripped(&self, tripped: bool) {
        self.tripped.store(tripped, Ordering::Relaxed);
    }

    /// A call returned. Writes only after a failure, to keep the cache line shared.
    pub(super) fn succeeded(&self) {
        if self.failures_in_a_row.load(Ordering::Relaxed) != 0 {
            self.failures_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// A call failed; returns how many did in a row.
    pub(super) fn failed(&self) -> u32 {
        self.failures_in_a_row.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// What a failure led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    Tripped { rest: Duration },
}

/// The rule: trip after so many failures in a row, probe after a rest that doubles.
#[derive(Debug)]
pub(super) struct Trip {
    after: u32,
    first_rest: Duration,
    longest_rest: Duration,
    rest: Duration,
    probe_at: Option<Instant>,
}

impl Trip {
    pub(super) fn new(after: u32, first_rest: Duration, longest_rest: Duration) -> Self {
        Self { after: after.max(1), first_rest, longest_rest, rest: first_rest, probe_at: None }
    }

    /// Takes a failure, the `in_a_row`th.
    pub(super) fn failed(&mut self, in_a_row: u32, now: Instant) -> Option<Transition> {
        if self.probe_at.is_some() || in_a_row < self.after {
            return None;
        }
        self.probe_at = Some(now + self.rest);
        Some(Transition::Tripped { rest: self.rest })
    }

    /// When to probe; `None` while not tripped.
    pub(super) fn probe_at(&self) -> Option<Instant> {
        self.probe_at
    }

    /// The probe failed: rest twice as long. Returns when to probe again.
    pub(super) fn probed_badly(&mut self, now: Instant) -> Instant {
        self.rest = (self.rest * 2).min(self.longest_rest);
        let next = now + self.rest;
        self.probe_at = Some(next);
        next
    }

    /// The probe went well: serve again.
    pub(super) fn probed_well(&mut self) {
        self.rest = self.first_rest;
        self.probe_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn it_trips_once_rests_longer_each_time_and_recovers() {
        let now = Instant::now();
        let mut trip = Trip::new(3, S, 4 * S);
        assert_eq!(trip.failed(1, now), None);
        assert_eq!(trip.failed(2, now), None);
        assert_eq!(trip.failed(3, now), Some(Transition::Tripped { rest: S }));
        assert_eq!(trip.failed(4, now), None);
        assert_eq!(trip.probe_at(), Some(now + S));
        assert_eq!(trip.probed_badly(now + S), now + 3 * S);
        assert_eq!(trip.probed_badly(now + 3 * S), now + 7 * S);
        assert_eq!(trip.probed_badly(now + 7 * S), now + 11 * S);
        trip.probed_well();
        assert_eq!(trip.probe_at(), None);
        assert_eq!(trip.failed(3, now), Some(Transition::Tripped { rest: S }));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_again() {
        let status = Status::default();
        status.failed();
        status.failed();
        status.succeeded();
        assert_eq!(status.failed(), 1);
    }
}
