//! Judges what an instance says of its own resources. What it said too long ago says nothing.

use std::time::Duration;

use super::passing;
use crate::model::{ReportedLoad, ResourceCheck, UnixMillis, Verdict};

/// A report older than this many intervals is not judged.
const STALE_INTERVALS: u32 = 3;

/// Decides by the last report and when it came.
pub(super) fn judge(
    limits: &ResourceCheck,
    report: Option<(ReportedLoad, UnixMillis)>,
    now: UnixMillis,
    interval: Duration,
) -> Verdict {
    let Some((load, at)) = report else { return passing("no load reported: not judged") };
    let age = now.since(at);
    if age > interval * STALE_INTERVALS {
        return passing(format!("no load reported for {} s: not judged", age.as_secs()));
    }
    let shares = [
        ("cpu", load.cpu, limits.cpu),
        ("memory", load.memory, limits.memory),
        ("disk", load.disk, limits.disk),
    ];
    let above: Vec<_> = shares
        .iter()
        .filter_map(|&(name, share, limit)| {
            share.filter(|&share| share > limit).map(|s| (name, s, limit))
        })
        .map(|(name, share, limit)| {
            format!("{name} at {:.0} %, more than {:.0} %", share * 100.0, limit * 100.0)
        })
        .collect();
    match above.is_empty() {
        true => passing("within its limits"),
        false => Verdict::new(limits.above, above.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HealthStatus::{Passing, Warning};

    #[test]
    fn a_fresh_report_above_a_limit_counts() {
        let limits = ResourceCheck { cpu: 0.9, memory: 0.9, disk: 0.9, above: Warning };
        let load = ReportedLoad { cpu: Some(0.95), disk: Some(1.0), ..Default::default() };
        let found = |now| {
            judge(&limits, Some((load, UnixMillis(1_000))), UnixMillis(now), Duration::from_secs(1))
        };
        let verdict = found(4_000);
        assert_eq!(verdict.status, Warning);
        assert_eq!(verdict.reason, "cpu at 95 %, more than 90 %; disk at 100 %, more than 90 %");
        assert_eq!(found(4_001).status, Passing);
        assert_eq!(judge(&limits, None, UnixMillis(0), Duration::ZERO).status, Passing);
    }
}
