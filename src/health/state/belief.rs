//! What is believed of an instance by one check, and what it takes to believe something else.
//!
//! Rise and fall, as HAProxy has them: `fall` bad results in a row make an instance critical, `rise` good
//! ones bring it back. A warning is a status of its own: it is bad next to passing and good next to critical.
//! Only the lengths of four runs decide, those of results that were (1) passing, (2) not critical, (3) not
//! passing, (4) critical, so that a row of warnings and criticals is at least a warning, and nothing more
//! than that until the criticals alone are enough.

use std::time::Instant;

use crate::model::{HealthStatus, Schedule, Verdict};

use super::schedule::Pace;

/// What one check has made of one instance so far.
#[derive(Debug, Clone)]
pub struct Belief {
    status: HealthStatus,
    since: Instant,
    last: Option<HealthStatus>,
    rise: u32,
    fall: u32,
    passing: u32,
    not_critical: u32,
    not_passing: u32,
    critical: u32,
}

/// Something else is believed from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flip {
    pub from: HealthStatus,
    /// What is believed now, with the reason that the deciding result gave.
    pub verdict: Verdict,
}

impl Belief {
    /// Before the first result.
    pub fn new(schedule: &Schedule, now: Instant) -> Self {
        Self {
            status: schedule.initial,
            since: now,
            last: None,
            rise: schedule.rise.max(1),
            fall: schedule.fall.max(1),
            passing: 0,
            not_critical: 0,
            not_passing: 0,
            critical: 0,
        }
    }

    /// What is believed.
    pub fn status(&self) -> HealthStatus {
        self.status
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Other thresholds; what was seen so far counts against those.
    pub fn reschedule(&mut self, schedule: &Schedule) {
        self.rise = schedule.rise.max(1);
        self.fall = schedule.fall.max(1);
    }

    /// Takes one result.
    pub fn observe(&mut self, result: &Verdict, now: Instant) -> Option<Flip> {
        self.count(result.status);
        let to = self.target();
        if to == self.status {
            return None;
        }
        let from = std::mem::replace(&mut self.status, to);
        self.since = now;
        // A run may end on a better or worse result than what it proves: then both are said.
        let reason = match result.status == to {
            true => result.reason.clone(),
            false => format!("{} (last result: {})", result.reason, result.status),
        };
        Some(Flip { from, verdict: Verdict::new(to, reason) })
    }

    /// How soon to look again.
    pub fn pace(&self) -> Pace {
        match self.last {
            Some(last) if last != self.status => Pace::Changing,
            _ if self.status == HealthStatus::Critical => Pace::Down,
            _ => Pace::Steady,
        }
    }

    fn count(&mut self, status: HealthStatus) {
        self.last = Some(status);
        let runs = [
            (&mut self.passing, status == HealthStatus::Passing),
            (&mut self.not_critical, status != HealthStatus::Critical),
            (&mut self.not_passing, status != HealthStatus::Passing),
            (&mut self.critical, status == HealthStatus::Critical),
        ];
        for (run, goes_on) in runs {
            *run = if goes_on { run.saturating_add(1) } else { 0 };
        }
    }

    fn target(&self) -> HealthStatus {
        use HealthStatus::{Critical, Passing, Warning};
        let risen = self.passing >= self.rise;
        match self.status {
            Passing | Warning if self.critical >= self.fall => Critical,
            Passing if self.not_passing >= self.fall => Warning,
            Warning | Critical if risen => Passing,
            Critical if self.not_critical >= self.rise => Warning,
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use HealthStatus::{Critical, Passing, Warning};

    fn schedule(rise: u32, fall: u32, initial: HealthStatus) -> Schedule {
        Schedule { rise, fall, initial, ..Schedule::default() }
    }

    /// What is believed after each of `results`.
    fn check(schedule: &Schedule, results: &[HealthStatus], expected: &[HealthStatus]) {
        let now = Instant::now();
        let mut belief = Belief::new(schedule, now);
        let believed: Vec<_> = results
            .iter()
            .map(|&status| {
                belief.observe(&Verdict::new(status, "because"), now);
                belief.status()
            })
            .collect();
        assert_eq!(believed, expected, "{results:?}");
    }

    #[test]
    fn it_takes_a_row_to_change_a_belief() {
        let usual = schedule(2, 3, Passing);
        check(&usual, &[Critical, Critical, Critical], &[Passing, Passing, Critical]);
        let (p, c) = (Passing, Critical);
        check(&usual, &[c, c, p, c, c], &[p, p, p, p, p]);
        check(&schedule(2, 3, Critical), &[p, c, p, p], &[c, c, c, p]);
    }

    #[test]
    fn a_warning_is_a_status_of_its_own() {
        let (p, w, c) = (Passing, Warning, Critical);
        check(&schedule(2, 3, Passing), &[w, c, w], &[p, p, w]);
        check(&schedule(2, 3, Passing), &[w, c, c, c], &[p, p, w, c]);
        check(&schedule(2, 3, Critical), &[w, p, p], &[c, w, p]);
        check(&schedule(2, 3, Warning), &[p, w, p, p], &[w, w, w, p]);
    }

    #[test]
    fn a_flip_tells_why() {
        let now = Instant::now();
        let mut belief = Belief::new(&schedule(2, 1, Passing), now);
        let flip = belief.observe(&Verdict::new(Critical, "status 503"), now).unwrap();
        assert_eq!(flip, Flip { from: Passing, verdict: Verdict::new(Critical, "status 503") });
        assert_eq!(belief.pace(), Pace::Down);
        assert_eq!(belief.observe(&Verdict::new(Warning, "slow"), now), None);
        assert_eq!(belief.pace(), Pace::Changing);
    }

    fn any_status() -> impl Strategy<Value = HealthStatus> {
        prop_oneof![Just(Passing), Just(Warning), Just(Critical)]
    }

    proptest! {
        #[test]
        fn a_flip_is_always_earned(
            results in prop::collection::vec(any_status(), 0..60),
            rise in 1u32..5, fall in 1u32..5, initial in any_status(),
        ) {
            let now = Instant::now();
            let mut belief = Belief::new(&schedule(rise, fall, initial), now);
            for at in 0..results.len() {
                let before = belief.status();
                let flip = belief.observe(&Verdict::new(results[at], "r"), now);
                prop_assert_eq!(flip.is_some(), belief.status() != before);
                let Some(flip) = flip else { continue };
                prop_assert_eq!(flip.from, before);
                prop_assert_eq!(flip.verdict.status, belief.status());
                prop_assert!(!flip.verdict.reason.is_empty());
                let worse = belief.status() > before;
                let needed = if worse { fall } else { rise } as usize;
                prop_assert!(at + 1 >= needed);
                // Every result of the row that decided is on the side that was flipped to.
                let row = &results[at + 1 - needed..=at];
                let earned = match worse {
                    true => row.iter().all(|&status| status >= belief.status()),
                    false => row.iter().all(|&status| status <= belief.status()),
                };
                prop_assert!(earned, "{:?} {:?}", row, flip);
            }
        }

        #[test]
        fn a_steady_instance_is_believed_in_the_end(
            results in prop::collection::vec(any_status(), 0..30),
            rise in 1u32..5, fall in 1u32..5, last in any_status(),
        ) {
            let now = Instant::now();
            let mut belief = Belief::new(&schedule(rise, fall, Passing), now);
            let steady = std::iter::repeat_n(last, 10);
            for status in results.into_iter().chain(steady) {
                belief.observe(&Verdict::new(status, "r"), now);
            }
            prop_assert_eq!(belief.status(), last);
            prop_assert_ne!(belief.pace(), Pace::Changing);
        }
    }
}
