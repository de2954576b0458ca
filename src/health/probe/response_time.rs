//! Judges the proxy's own moving average of an instance's response time.

use std::time::Duration;

use super::{critical, passing, warning};
use crate::model::{ResponseTimeCheck, Verdict};

/// Decides by the average; 0 = there is none.
pub(super) fn judge(limits: &ResponseTimeCheck, average_us: u32) -> Verdict {
    let average = Duration::from_micros(average_us.into());
    let ResponseTimeCheck { warning_above, critical_above } = *limits;
    match critical_above {
        _ if average_us == 0 => passing("no requests yet"),
        Some(limit) if average > limit => {
            critical(format!("responses take {average:.0?}, more than {limit:?}"))
        }
        _ if average > warning_above => {
            warning(format!("responses take {average:.0?}, more than {warning_above:?}"))
        }
        _ => passing(format!("responses take {average:.0?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HealthStatus::{Critical, Passing, Warning};

    #[test]
    fn slow_is_degraded_and_very_slow_is_critical() {
        let limits = ResponseTimeCheck {
            warning_above: Duration::from_millis(100),
            critical_above: Some(Duration::from_secs(1)),
        };
        let found = |us| judge(&limits, us).status;
        assert_eq!(
            [0, 100_000, 100_001, 1_000_001].map(found),
            [Passing, Passing, Warning, Critical]
        );
        assert_eq!(judge(&limits, 250_000).reason, "responses take 250ms, more than 100ms");
    }
}
