//! What real traffic says of an instance: passive checking, the simplest form of outlier ejection.
//!
//! A refused connection takes the instance out at once: nobody listens there. Other failures do after so
//! many in a row. It comes back when its rest is over, when an active check finds it well, or when a
//! request that went there all the same is answered; each rest is twice the last, up to
//! [`LONGEST_REST`] times the first.

use std::time::{Duration, Instant};

/// A rest is at most so many times the first one.
const LONGEST_REST: u32 = 10;

/// The traffic's belief about one instance.
#[derive(Debug, Clone, Default)]
pub struct Passive {
    failures: u32,
    /// It is out until then.
    out_until: Option<Instant>,
    /// Rests so far, without a success after the last.
    rests: u32,
}

/// What traffic came to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassiveFlip {
    /// Out, for this long if nothing calls it back.
    Out {
        rest: Duration,
    },
    Back,
}

impl Passive {
    /// A try failed; `refused` = nobody listens there.
    pub fn failed(
        &mut self,
        refused: bool,
        limit: u32,
        rest: Duration,
        now: Instant,
    ) -> Option<PassiveFlip> {
        self.failures = self.failures.saturating_add(1);
        if self.out_until.is_some() || !(refused || self.failures >= limit) {
            return None;
        }
        let times = 1u32.checked_shl(self.rests).unwrap_or(LONGEST_REST).min(LONGEST_REST);
        let rest = rest * times;
        self.rests = self.rests.saturating_add(1);
        self.out_until = Some(now + rest);
        Some(PassiveFlip::Out { rest })
    }

    /// A try went well.
    pub fn succeeded(&mut self) -> Option<PassiveFlip> {
        self.rests = 0;
        self.call_back()
    }

    /// An active check found it well, while traffic kept it out.
    pub fn call_back(&mut self) -> Option<PassiveFlip> {
        self.failures = 0;
        self.out_until.take().map(|_| PassiveFlip::Back)
    }

    /// Ends a rest that is over.
    pub fn rested(&mut self, now: Instant) -> Option<PassiveFlip> {
        self.out_until.filter(|until| *until <= now)?;
        self.call_back()
    }

    /// When its rest is over, if it is out.
    pub fn out_until(&self) -> Option<Instant> {
        self.out_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(10);

    #[test]
    fn a_refusal_takes_it_out_at_once_and_failures_in_a_row_do() {
        let now = Instant::now();
        let mut passive = Passive::default();
        assert_eq!(passive.failed(true, 5, REST, now), Some(PassiveFlip::Out { rest: REST }));
        assert_eq!(passive.failed(true, 5, REST, now), None, "it is out already");

        let mut passive = Passive::default();
        assert_eq!(passive.failed(false, 2, REST, now), None);
        assert_eq!(passive.succeeded(), None);
        assert_eq!(passive.failed(false, 2, REST, now), None, "not in a row");
        assert_eq!(passive.failed(false, 2, REST, now), Some(PassiveFlip::Out { rest: REST }));
    }

    #[test]
    fn it_rests_longer_each_time_until_it_does_well() {
        let mut now = Instant::now();
        let mut passive = Passive::default();
        for times in [1, 2, 4, 8, 10, 10] {
            let out = passive.failed(true, 5, REST, now);
            assert_eq!(out, Some(PassiveFlip::Out { rest: REST * times }));
            assert_eq!(passive.rested(now), None, "not yet");
            now += REST * times;
            assert_eq!(passive.rested(now), Some(PassiveFlip::Back));
        }
        passive.succeeded();
        assert_eq!(passive.failed(true, 5, REST, now), Some(PassiveFlip::Out { rest: REST }));
        assert_eq!(passive.call_back(), Some(PassiveFlip::Back), "an active check is good");
        assert_eq!(passive.out_until(), None);
    }
}
