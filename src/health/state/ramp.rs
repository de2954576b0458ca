//! Slow start: an instance that recovered gets a small share of its traffic first, and all of it in the end,
//! so that cold caches and pools are not flooded.
//!
//! In steps, not continuously: each step is a new set of endpoints for every strategy.

use std::time::{Duration, Instant};

use crate::model::Weight;

/// Steps from the first share to the whole.
pub const RAMP_STEPS: u32 = 10;

/// The weight of an instance on its way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramped {
    pub weight: Weight,
    /// When it grows next; `None` = it is whole.
    pub next: Option<Instant>,
}

/// What is left of `weight` at `now` for an instance that recovered at `recovered_at`. Begins with a tenth.
/// A weight that is not zero stays above it; one too small for tenths grows when it can.
pub fn ramp(weight: Weight, recovered_at: Instant, now: Instant, slow_start: Duration) -> Ramped {
    let elapsed = now.saturating_duration_since(recovered_at);
    let step = slow_start / RAMP_STEPS;
    if elapsed >= slow_start || step.is_zero() {
        return Ramped { weight, next: None };
    }
    let done = (elapsed.as_nanos() / step.as_nanos()) as u32;
    let tenths = (done + 1).min(RAMP_STEPS);
    let share = (weight.get() * tenths).div_ceil(RAMP_STEPS);
    let share = Weight::new(share.into()).expect("a share of a weight is no greater than it");
    let next = (tenths < RAMP_STEPS).then(|| recovered_at + step * (done + 1));
    Ramped { weight: share, next }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weight(value: i64) -> Weight {
        Weight::new(value).unwrap()
    }

    #[test]
    fn it_begins_with_a_tenth_and_ends_whole() {
        let begin = Instant::now();
        let whole = Duration::from_secs(10);
        let at = |seconds| ramp(weight(100), begin, begin + Duration::from_secs(seconds), whole);
        assert_eq!(at(0).weight, weight(10));
        assert_eq!(at(0).next, Some(begin + Duration::from_secs(1)));
        assert_eq!(at(5).weight, weight(60));
        assert_eq!(at(9), Ramped { weight: weight(100), next: None });
        assert_eq!(ramp(weight(100), begin, begin, Duration::ZERO).weight, weight(100));
    }

    proptest! {
        #[test]
        fn it_grows_step_by_step_and_ends(full in 0i64..=65535, slow_ms in 0u64..600_000) {
            let begin = Instant::now();
            let (mut now, mut last, mut steps) = (begin, Weight::ZERO, 0);
            loop {
                let ramped = ramp(weight(full), begin, now, Duration::from_millis(slow_ms));
                prop_assert!(ramped.weight >= last && ramped.weight <= weight(full));
                prop_assert_eq!(ramped.weight == Weight::ZERO, full == 0);
                last = ramped.weight;
                steps += 1;
                prop_assert!(steps <= RAMP_STEPS);
                let Some(next) = ramped.next else { break };
                prop_assert!(next > now);
                now = next;
            }
            prop_assert_eq!(last, weight(full));
        }
    }
}
