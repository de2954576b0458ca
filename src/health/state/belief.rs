//! What is believed of an instance, by one check: rise and fall.
//!
//! A single result may be an accident. A passing instance becomes critical after `fall` bad results in a
//! row, a critical one passes after `rise` good ones, as in HAProxy (`rise`, `fall`). Between passing
//! and warning, which changes no routing, each result is believed at once.

use std::time::Duration;

use crate::model::{HealthStatus, Schedule, Verdict};

/// One check's belief about one instance.
#[derive(Debug, Clone)]
pub struct Belief {
    status: HealthStatus,
    /// Results in a row that disagree with `status`.
    disagreeing: u32,
}

impl Belief {
    /// What is believed before the first result.
    pub fn new(initial: HealthStatus) -> Self {
        Self { status: initial, disagreeing: 0 }
    }

    /// What is believed.
    pub fn status(&self) -> HealthStatus {
        self.status
    }

    /// Takes a result. Returns what is believed from now on, if that is something else.
    pub fn observe(&mut self, result: Verdict, schedule: &Schedule) -> Option<Verdict> {
        let (was_down, is_down) = (is_down(self.status), is_down(result.status));
        if was_down == is_down {
            self.disagreeing = 0;
            let changes = result.status != self.status;
            self.status = result.status;
            return changes.then_some(result);
        }
        self.disagreeing += 1;
        let needed = if was_down { schedule.rise } else { schedule.fall };
        if self.disagreeing < needed {
            return None;
        }
        self.disagreeing = 0;
        self.status = result.status;
        Some(match needed {
            1 => result,
            _ => Verdict::new(result.status, format!("{} ({needed} in a row)", result.reason)),
        })
    }

    /// How long to wait from the beginning of one look to the next. `fraction` is random, 0 to 1.
    pub fn interval(&self, schedule: &Schedule, fraction: f32) -> Duration {
        let interval = if self.disagreeing > 0 {
            schedule.interval_changing
        } else if is_down(self.status) {
            schedule.interval_down
        } else {
            schedule.interval
        };
        let jitter = schedule.jitter.clamp(0.0, 0.5);
        interval.mul_f32(1.0 + jitter * (2.0 * fraction.clamp(0.0, 1.0) - 1.0))
    }
}

fn is_down(status: HealthStatus) -> bool {
    status == HealthStatus::Critical
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CRITICAL: HealthStatus = HealthStatus::Critical;
    const PASSING: HealthStatus = HealthStatus::Passing;
    const WARNING: HealthStatus = HealthStatus::Warning;

    fn verdict(status: HealthStatus) -> Verdict {
        Verdict::new(status, "because")
    }

    fn schedule(rise: u32, fall: u32) -> Schedule {
        Schedule { rise, fall, ..Schedule::default() }
    }

    #[test]
    fn it_falls_and_rises_after_so_many_in_a_row() {
        let schedule = schedule(2, 3);
        let mut belief = Belief::new(PASSING);
        let mut flips = Vec::new();
        for status in [
            CRITICAL, CRITICAL, PASSING, // not in a row
            CRITICAL, CRITICAL, CRITICAL, // down
            PASSING, CRITICAL, PASSING, WARNING, // up, and worth a look
            PASSING,
        ] {
            let flip = belief.observe(verdict(status), &schedule);
            flips.push(flip.map(|flip| flip.status));
        }
        let (down, up) = (Some(CRITICAL), Some(WARNING));
        let expected = [None, None, None, None, None, down, None, None, None, up, Some(PASSING)];
        assert_eq!(flips, expected);
    }

    #[test]
    fn the_reason_says_how_often() {
        let mut belief = Belief::new(PASSING);
        belief.observe(verdict(CRITICAL), &schedule(1, 2));
        let flip = belief.observe(verdict(CRITICAL), &schedule(1, 2)).unwrap();
        assert_eq!(flip.reason, "because (2 in a row)");
        let flip = belief.observe(verdict(PASSING), &schedule(1, 2)).unwrap();
        assert_eq!(flip.reason, "because");
    }

    #[test]
    fn intervals_follow_what_is_believed() {
        let schedule = Schedule {
            interval: Duration::from_secs(10),
            interval_changing: Duration::from_secs(1),
            interval_down: Duration::from_secs(30),
            jitter: 0.1,
            rise: 2,
            fall: 2,
            ..Schedule::default()
        };
        let mut belief = Belief::new(PASSING);
        assert_eq!(belief.interval(&schedule, 0.5), Duration::from_secs(10));
        assert_eq!(belief.interval(&schedule, 0.0), Duration::from_secs(9));
        belief.observe(verdict(CRITICAL), &schedule);
        assert_eq!(belief.interval(&schedule, 0.5), Duration::from_secs(1));
        belief.observe(verdict(CRITICAL), &schedule);
        assert_eq!(belief.interval(&schedule, 0.5), Duration::from_secs(30));
    }

    proptest! {
        /// It never flips to critical without `fall` bad results just before, nor back without `rise`
        /// good ones.
        #[test]
        fn no_flip_without_its_run(
            results in prop::collection::vec(0..3usize, 0..200),
            rise in 1..5u32,
            fall in 1..5u32,
        ) {
            let schedule = schedule(rise, fall);
            let mut belief = Belief::new(PASSING);
            let mut seen = Vec::new();
            for result in results {
                let before = belief.status();
                let status = HealthStatus::ALL[result];
                seen.push(status);
                let flip = belief.observe(verdict(status), &schedule);
                let run = |bad: bool| {
                    seen.iter().rev().take_while(|s| (**s == CRITICAL) == bad).count() as u32
                };
                match (is_down(before), flip.map(|flip| is_down(flip.status))) {
                    (false, Some(true)) => prop_assert!(run(true) >= fall),
                    (true, Some(false)) => prop_assert!(run(false) >= rise),
                    (true, Some(true)) => prop_assert!(false, "nothing changed"),
                    (was_down, _) => {
                        prop_assert!(was_down || run(true) < fall);
                        prop_assert!(!was_down || run(false) < rise);
                    }
                }
            }
        }
    }
}
