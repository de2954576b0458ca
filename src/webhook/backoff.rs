//! How long to wait before a call that failed is tried again.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_millis(500);

/// However often it failed.
const LONGEST: Duration = Duration::from_secs(300);

/// Doubles with each failure in a row, and is anything from half of that to the whole, so that those who
/// failed together do not come back together. `random` is from 0 to 1.
pub(super) fn backoff(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    whole / 2 + (whole / 2).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_bound() {
        let millis = |failures, random| backoff(failures, random).as_millis();
        assert_eq!([1, 2, 3].map(|f| millis(f, 1.0)), [500, 1000, 2000]);
        assert_eq!([1, 2, 3].map(|f| millis(f, 0.0)), [250, 500, 1000]);
        assert_eq!(millis(u32::MAX, 1.0), 300_000);
    }
}
