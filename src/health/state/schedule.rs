//! When a check is due.

use std::time::{Duration, Instant};

use crate::model::Schedule;

/// How often to look, by what is believed and what was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// The results agree with what is believed.
    Steady,
    /// They do not: the sooner it is decided the better.
    Changing,
    /// Critical, and stays so.
    Down,
}

impl Pace {
    fn interval(self, schedule: &Schedule) -> Duration {
        match self {
            Pace::Steady => schedule.interval,
            Pace::Changing => schedule.interval_changing,
            Pace::Down => schedule.interval_down,
        }
    }
}

/// The larger part of an interval that jitter may take or add.
const MOST_JITTER: f32 = 0.5;

/// An interval that is longer or shorter by at most `jitter` of it.
pub fn jittered(interval: Duration, jitter: f32, rng: &mut fastrand::Rng) -> Duration {
    let jitter = jitter.clamp(0.0, MOST_JITTER);
    interval.mul_f32(1.0 + jitter * (2.0 * rng.f32() - 1.0))
}

/// When a check is due that last began at `began`; never before `now`. The beginning counts, not the end,
/// so that a slow answer stretches nothing.
pub fn next_due(
    schedule: &Schedule,
    pace: Pace,
    began: Instant,
    now: Instant,
    rng: &mut fastrand::Rng,
) -> Instant {
    (began + jittered(pace.interval(schedule), schedule.jitter, rng)).max(now)
}

/// When the first check of an instance is due that was there before: somewhere in the interval, so that not
/// all begin together.
pub fn first_due(schedule: &Schedule, now: Instant, rng: &mut fastrand::Rng) -> Instant {
    now + schedule.interval.mul_f32(rng.f32())
}

/// When the second check of an instance is due that was checked at once: somewhere in the latter half of
/// the interval, so that those that came together part.
pub fn phase_in(schedule: &Schedule, began: Instant, rng: &mut fastrand::Rng) -> Instant {
    began + schedule.interval.mul_f32(0.5 + 0.5 * rng.f32())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_check_is_due_within_its_jitter(
            seed: u64, jitter in 0.0f32..0.5, interval_ms in 1u64..100_000, late_ms in 0u64..200_000,
        ) {
            let mut rng = fastrand::Rng::with_seed(seed);
            let interval = Duration::from_millis(interval_ms);
            let schedule = Schedule { interval, jitter, ..Schedule::default() };
            let began = Instant::now();
            let now = began + Duration::from_millis(late_ms);
            let due = next_due(&schedule, Pace::Steady, began, now, &mut rng);
            let slack = Duration::from_micros(interval_ms); // of f32
            prop_assert!(due >= now);
            prop_assert!(due >= began + interval.mul_f32(1.0 - jitter) - slack);
            prop_assert!(due <= now.max(began + interval.mul_f32(1.0 + jitter) + slack));
            prop_assert!(first_due(&schedule, now, &mut rng) < now + interval + slack);
        }
    }

    #[test]
    fn each_pace_has_its_interval() {
        let schedule =
            Schedule { jitter: 0.0, interval_down: Duration::from_secs(60), ..Schedule::default() };
        let now = Instant::now();
        let due = |pace| {
            let mut rng = fastrand::Rng::with_seed(1);
            (next_due(&schedule, pace, now, now, &mut rng) - now).as_secs()
        };
        assert_eq!([Pace::Steady, Pace::Changing, Pace::Down].map(due), [10, 1, 60]);
    }
}
