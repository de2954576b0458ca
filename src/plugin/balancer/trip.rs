//! When a strategy that keeps failing is left alone, and when it is tried again.
//!
//! Failures fill a leaky bucket: each pours in as much as [`MAKES_UP`] good calls take out again, and
//! the strategy trips when `trip_after` failures are in it. So that many in a row trip it, and so
//! does, somewhat later, whoever fails more often than once in [`MAKES_UP`] calls: a plugin whose
//! `pick` is well and whose `observe` runs into its deadline each time blocks as many threads as one
//! that never works.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Good calls that make up for one failure.
const MAKES_UP: u32 = 64;

/// The part that the request path reads: two relaxed loads.
#[derive(Debug, Default)]
pub(super) struct Status {
    tripped: AtomicBool,
    /// The bucket, in good calls.
    owed: AtomicU32,
}

/// Failures that good calls have not made up for, in good calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owed(u32);

impl Owed {
    /// The same in failures, those that are made up for in part included.
    pub(super) fn failures(self) -> u32 {
        self.0.div_ceil(MAKES_UP)
    }

    fn after_failure(self) -> Self {
        Self(self.0.saturating_add(MAKES_UP))
    }

    fn after_success(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
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
        let owed = self.owed.load(Ordering::Relaxed);
        if owed != 0 {
            // Tried once: a failure that comes in between must not be lost, a success may be.
            let Owed(less) = Owed(owed).after_success();
            let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
            let _ = self.owed.compare_exchange(owed, less, set, read);
        }
    }

    /// A call failed; returns what the bucket holds now.
    pub(super) fn failed(&self) -> Owed {
        let (set, read) = (Ordering::Relaxed, Ordering::Relaxed);
        let more = |owed| Some(Owed(owed).after_failure().0);
        let before = self.owed.fetch_update(set, read, more).unwrap_or_else(|owed| owed);
        Owed(before).after_failure()
    }

    /// What was is forgiven.
    pub(super) fn recovered(&self) {
        self.owed.store(0, Ordering::Relaxed);
        self.set_tripped(false);
    }
}

/// What a failure led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    Tripped { rest: Duration },
}

/// The rule: trip when so many failures are in the bucket, probe after a rest that doubles.
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

    /// Takes a failure, after which the bucket holds `owed`.
    pub(super) fn failed(&mut self, owed: Owed, now: Instant) -> Option<Transition> {
        if self.probe_at.is_some() || owed.0 < self.after.saturating_mul(MAKES_UP) {
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

    fn in_a_row(failures: u32) -> Owed {
        Owed(failures * MAKES_UP)
    }

    /// Failures until a strategy trips that answers `good` calls before each; `None` if it never does.
    fn failures_to_trip(after: u32, good: u32) -> Option<u32> {
        let status = Status::default();
        let mut trip = Trip::new(after, S, S);
        (1..1000).find(|_| {
            (0..good).for_each(|_| status.succeeded());
            trip.failed(status.failed(), Instant::now()).is_some()
        })
    }

    #[test]
    fn it_trips_once_rests_longer_each_time_and_recovers() {
        let now = Instant::now();
        let mut trip = Trip::new(3, S, 4 * S);
        assert_eq!(trip.failed(in_a_row(1), now), None);
        assert_eq!(trip.failed(in_a_row(2), now), None);
        assert_eq!(trip.failed(in_a_row(3), now), Some(Transition::Tripped { rest: S }));
        assert_eq!(trip.failed(in_a_row(4), now), None);
        assert_eq!(trip.probe_at(), Some(now + S));
        assert_eq!(trip.probed_badly(now + S), now + 3 * S);
        assert_eq!(trip.probed_badly(now + 3 * S), now + 7 * S);
        assert_eq!(trip.probed_badly(now + 7 * S), now + 11 * S);
        trip.probed_well();
        assert_eq!(trip.probe_at(), None);
        assert_eq!(trip.failed(in_a_row(3), now), Some(Transition::Tripped { rest: S }));
    }

    #[test]
    fn who_fails_often_trips_though_good_calls_come_between() {
        assert_eq!(failures_to_trip(5, 0), Some(5), "in a row");
        assert_eq!(failures_to_trip(5, 1), Some(6), "every second call");
        assert_eq!(failures_to_trip(5, MAKES_UP / 2), Some(9));
        assert_eq!(failures_to_trip(5, MAKES_UP), None, "a rare failure is made up for");
        assert_eq!(failures_to_trip(1, 1000), Some(1));
    }

    #[test]
    fn a_recovery_forgives() {
        let status = Status::default();
        status.failed();
        status.recovered();
        assert_eq!(status.failed().failures(), 1);
    }
}
