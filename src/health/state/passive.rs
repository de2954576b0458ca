//! Passive health: what real traffic says of an instance, as outlier ejection has it in Envoy.
//!
//! A refused connection, or enough failures in a row, take it out for a rest. The rest doubles with each
//! ejection, up to ten times the first, and is short again once the instance served for as long as the
//! longest. A good active check ends a rest early.

use std::time::{Duration, Instant};

/// A rest is at most this many times the first.
const MOST_RESTS: u32 = 10;

/// When traffic takes an instance out, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassiveSettings {
    /// Failures in a row.
    pub failures: u32,
    /// The first rest.
    pub rest: Duration,
}

/// What traffic has said of one instance.
#[derive(Debug, Clone, Default)]
pub struct Passive {
    failures: u32,
    /// Ejections since it last did well for long.
    ejections: u32,
    /// Since when and until when it is out.
    rest: Option<(Instant, Instant)>,
    called_back: Option<Instant>,
}

/// An instance is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    pub until: Instant,
    /// Failures in a row that it took.
    pub failures: u32,
}

impl Passive {
    /// A connection was refused.
    pub fn refused(&mut self, now: Instant, settings: &PassiveSettings) -> Option<Ejection> {
        self.failures = self.failures.saturating_add(1);
        self.eject(now, settings)
    }

    /// A request failed otherwise.
    pub fn failed(&mut self, now: Instant, settings: &PassiveSettings) -> Option<Ejection> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < settings.failures { None } else { self.eject(now, settings) }
    }

    /// A request succeeded. Does not end a rest: it was sent before the rest began, or in panic.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// An active check was good. `true` = the instance is called back.
    pub fn checked_good(&mut self, now: Instant) -> bool {
        self.rest.is_some() && self.call_back(now)
    }

    /// The time is `now`. `true` = the rest is over, and the instance is called back.
    pub fn tick(&mut self, now: Instant) -> bool {
        self.rest.is_some_and(|(_, until)| until <= now) && self.call_back(now)
    }

    /// Until when it is out.
    pub fn ejected_until(&self) -> Option<Instant> {
        self.rest.map(|(_, until)| until)
    }

    /// Since when it is out.
    pub fn ejected_since(&self) -> Option<Instant> {
        self.rest.map(|(since, _)| since)
    }

    fn eject(&mut self, now: Instant, settings: &PassiveSettings) -> Option<Ejection> {
        if self.rest.is_some() {
            return None;
        }
        let longest = settings.rest * MOST_RESTS;
        if self.called_back.is_some_and(|at| now.saturating_duration_since(at) >= longest) {
            self.ejections = 0;
        }
        let times = 1u32.checked_shl(self.ejections).unwrap_or(MOST_RESTS).min(MOST_RESTS);
        self.ejections = (self.ejections + 1).min(MOST_RESTS);
        let until = now + settings.rest * times;
        self.rest = Some((now, until));
        Some(Ejection { until, failures: self.failures })
    }

    fn call_back(&mut self, now: Instant) -> bool {
        self.rest = None;
        self.called_back = Some(now);
        self.failures = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: PassiveSettings =
        PassiveSettings { failures: 3, rest: Duration::from_secs(10) };

    #[test]
    fn failures_count_in_a_row_and_a_refusal_at_once() {
        let now = Instant::now();
        let mut passive = Passive::default();
        assert_eq!(passive.failed(now, &SETTINGS), None);
        assert_eq!(passive.failed(now, &SETTINGS), None);
        passive.succeeded();
        assert_eq!(passive.failed(now, &SETTINGS), None);
        let until = now + SETTINGS.rest;
        assert_eq!(passive.refused(now, &SETTINGS), Some(Ejection { until, failures: 2 }));
        assert_eq!(passive.refused(now, &SETTINGS), None, "out already");
    }

    #[test]
    fn rests_double_up_to_ten_times_and_are_forgiven() {
        let mut now = Instant::now();
        let mut passive = Passive::default();
        let mut rest = |passive: &mut Passive, pause: u64| {
            now += Duration::from_secs(pause);
            let until = passive.refused(now, &SETTINGS).unwrap().until;
            let rest = (until - now).as_secs();
            assert!(!passive.tick(until - Duration::from_millis(1)));
            assert!(passive.tick(until));
            now = until;
            rest
        };
        let rests: Vec<_> = (0..6).map(|_| rest(&mut passive, 1)).collect();
        assert_eq!(rests, [10, 20, 40, 80, 100, 100]);
        assert_eq!(rest(&mut passive, 99), 100);
        assert_eq!(rest(&mut passive, 100), 10);
    }

    #[test]
    fn a_good_check_calls_it_back() {
        let now = Instant::now();
        let mut passive = Passive::default();
        assert!(!passive.checked_good(now), "it was not out");
        passive.refused(now, &SETTINGS);
        assert!(passive.checked_good(now));
        assert_eq!(passive.ejected_until(), None);
        assert_eq!(passive.failed(now, &SETTINGS), None, "it begins anew");
    }

    proptest! {
        #[test]
        fn it_is_never_out_for_longer_than_the_longest_rest(
            steps in prop::collection::vec((0u8..5, 0u64..30_000), 0..200),
        ) {
            let mut now = Instant::now();
            let mut passive = Passive::default();
            for (what, after_ms) in steps {
                now += Duration::from_millis(after_ms);
                let was_out = passive.ejected_until().is_some();
                match what {
                    0 => prop_assert_eq!(passive.refused(now, &SETTINGS).is_some(), !was_out),
                    1 => drop(passive.failed(now, &SETTINGS)),
                    2 => passive.succeeded(),
                    3 => prop_assert_eq!(passive.checked_good(now), was_out),
                    _ => drop(passive.tick(now)),
                }
                if let Some(until) = passive.ejected_until() {
                    prop_assert!(until <= now + SETTINGS.rest * MOST_RESTS);
                }
            }
            passive.tick(now + SETTINGS.rest * MOST_RESTS);
            prop_assert!(passive.ejected_until().is_none());
        }
    }
}
