//! The life of one alert: inactive → pending → firing → inactive again.
//!
//! As in Prometheus: what holds for `for` fires, what does not hold any more is over at once, unless
//! `keep_firing_for` is still running; what held only for a while before it fired was nothing.

use std::time::Duration;

use crate::model::UnixMillis;

/// What an alert waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long a condition must hold before it fires.
    pub hold: Duration,
    /// How long it goes on firing when the condition is over.
    pub keep_firing: Duration,
}

/// Where an alert is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The condition holds, and not yet for long enough.
    Pending,
    Firing {
        /// When it began to fire.
        fired: UnixMillis,
        /// When the condition was first found not to hold any more.
        ceased: Option<UnixMillis>,
    },
}

/// An alert that is not inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Since when the condition holds.
    pub since: UnixMillis,
    pub phase: Phase,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Stays,
    Fires,
    /// It fired, and is over.
    Resolves,
    /// It never fired, and is forgotten.
    Lapses,
}

impl Life {
    /// The condition holds for the first time.
    pub fn begin(timing: Timing, now: UnixMillis) -> Self {
        let phase = match timing.hold.is_zero() {
            true => Phase::Firing { fired: now, ceased: None },
            false => Phase::Pending,
        };
        Self { since: now, phase }
    }

    /// Whether it is told to people.
    pub fn is_firing(&self) -> bool {
        matches!(self.phase, Phase::Firing { .. })
    }

    /// Another look at the condition. After `Resolves` and `Lapses` there is nothing to look at any more.
    pub fn step(&mut self, holds: bool, timing: Timing, now: UnixMillis) -> Step {
        match (&mut self.phase, holds) {
            (Phase::Pending, false) => Step::Lapses,
            (Phase::Pending, true) if now.since(self.since) >= timing.hold => {
                self.phase = Phase::Firing { fired: now, ceased: None };
                Step::Fires
            }
            (Phase::Pending, true) => Step::Stays,
            (Phase::Firing { ceased, .. }, true) => {
                *ceased = None;
                Step::Stays
            }
            (Phase::Firing { ceased, .. }, false) => {
                let ceased = *ceased.get_or_insert(now);
                match now.since(ceased) >= timing.keep_firing {
                    true => Step::Resolves,
                    false => Step::Stays,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn timing(hold: Duration, keep_firing: Duration) -> Timing {
        Timing { hold, keep_firing }
    }

    #[test]
    fn it_fires_when_it_held_for_long_enough() {
        let timing = timing(MINUTE, Duration::ZERO);
        let mut life = Life::begin(timing, UnixMillis(0));
        assert_eq!(life.step(true, timing, UnixMillis(59_999)), Step::Stays);
        assert_eq!(life.step(true, timing, UnixMillis(60_000)), Step::Fires);
        assert_eq!(life.step(true, timing, UnixMillis(70_000)), Step::Stays);
        assert_eq!(life.step(false, timing, UnixMillis(80_000)), Step::Resolves);
    }

    #[test]
    fn it_goes_on_firing_for_a_while() {
        let timing = timing(Duration::ZERO, MINUTE);
        let mut life = Life::begin(timing, UnixMillis(0));
        assert!(life.is_firing());
        assert_eq!(life.step(false, timing, UnixMillis(10_000)), Step::Stays);
        // It holds again: the while begins anew.
        assert_eq!(life.step(true, timing, UnixMillis(60_000)), Step::Stays);
        assert_eq!(life.step(false, timing, UnixMillis(70_000)), Step::Stays);
        assert_eq!(life.step(false, timing, UnixMillis(129_999)), Step::Stays);
        assert_eq!(life.step(false, timing, UnixMillis(130_000)), Step::Resolves);
    }

    #[test]
    fn a_clock_that_goes_back_fires_nothing() {
        let timing = timing(MINUTE, Duration::ZERO);
        let mut life = Life::begin(timing, UnixMillis(100_000));
        assert_eq!(life.step(true, timing, UnixMillis(0)), Step::Stays);
    }

    proptest! {
        #[test]
        fn it_never_fires_before_its_time(
            hold in 1..100_000u64, looks in prop::collection::vec((1..20_000u64, any::<bool>()), 1..60),
        ) {
            let timing = timing(Duration::from_millis(hold), Duration::ZERO);
            let (mut life, mut now, mut held_since) = (None, 0, None);
            for (later, holds) in looks {
                now += later;
                held_since = if holds { held_since.or(Some(now)) } else { None };
                let fires = match &mut life {
                    None if holds => {
                        life = Some(Life::begin(timing, UnixMillis(now)));
                        false
                    }
                    None => false,
                    Some(known) => match known.step(holds, timing, UnixMillis(now)) {
                        Step::Fires => true,
                        Step::Stays => false,
                        Step::Resolves | Step::Lapses => {
                            life = None;
                            false
                        }
                    },
                };
                let long_enough = held_since.is_some_and(|since| now - since >= hold);
                prop_assert_eq!(life.is_some_and(|life| life.is_firing()), long_enough);
                prop_assert!(!fires || long_enough);
            }
        }
    }
}
