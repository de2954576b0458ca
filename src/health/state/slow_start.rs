//! The growing share of an endpoint that recovered: caches are cold, pools empty, code not yet
//! compiled, so that the whole share at once may bring it down again.

use std::time::{Duration, Instant};

/// A share grows in so many equal steps, the first of which it gets at once.
const STEPS: u32 = 10;

/// A weight on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// What it is now; at least 1.
    pub weight: u32,
    /// When it grows next; `None` = it is whole.
    pub next: Option<Instant>,
}

/// What of a `whole` weight an endpoint that recovered at `since` has at `now`.
pub fn ramp(whole: u32, since: Instant, now: Instant, slow_start: Duration) -> Ramp {
    let step = slow_start / STEPS;
    let elapsed = now.saturating_duration_since(since);
    if step.is_zero() || elapsed >= slow_start {
        return Ramp { weight: whole, next: None };
    }
    let done = (elapsed.as_nanos() / step.as_nanos()) as u32 + 1;
    if done >= STEPS {
        return Ramp { weight: whole, next: None };
    }
    let weight = (u64::from(whole) * u64::from(done) / u64::from(STEPS)) as u32;
    Ramp { weight: weight.max(1), next: Some(since + step * done) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_in_steps_to_the_whole() {
        let since = Instant::now();
        let seconds = Duration::from_secs;
        let at = |after| ramp(100, since, since + seconds(after), seconds(100));
        assert_eq!(at(0), Ramp { weight: 10, next: Some(since + seconds(10)) });
        assert_eq!(at(10), Ramp { weight: 20, next: Some(since + seconds(20)) });
        assert_eq!(at(85), Ramp { weight: 90, next: Some(since + seconds(90)) });
        assert_eq!(at(90), Ramp { weight: 100, next: None });
        assert_eq!(ramp(100, since, since, Duration::ZERO).weight, 100);
        assert_eq!(ramp(1, since, since, seconds(1)).weight, 1);
    }
}
