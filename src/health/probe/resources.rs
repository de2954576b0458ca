//! What an instance reports of its resources.

use std::time::{Duration, SystemTime};

use super::passing;
use crate::model::{ReportedLoad, ResourceCheck, UnixMillis, Verdict};

/// Judges the newest report, if it is young enough.
pub(super) fn judge(
    limits: &ResourceCheck,
    report: Option<(ReportedLoad, UnixMillis)>,
    stale: Duration,
) -> Verdict {
    let Some((load, at)) = report else { return passing("nothing was reported yet") };
    let age = UnixMillis::of(SystemTime::now()).since(at);
    if age > stale {
        return passing(format!("the last report is {}s old", age.as_secs()));
    }
    let shares = [
        ("cpu", load.cpu, limits.cpu),
        ("memory", load.memory, limits.memory),
        ("disk", load.disk, limits.disk),
    ];
    let above: Vec<String> = shares
        .into_iter()
        .filter_map(|(what, share, limit)| Some((what, share?, limit)))
        .filter(|(_, share, limit)| share > limit)
        .map(|(what, share, limit)| format!("{what} at {share:.2}, above {limit:.2}"))
        .collect();
    match above.is_empty() {
        true => passing("resources are within limits"),
        false => Verdict::new(limits.above, above.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::HealthStatus;

    #[test]
    fn what_is_above_its_limit_is_named() {
        let limits =
            ResourceCheck { cpu: 0.9, memory: 0.9, disk: 0.9, above: HealthStatus::Warning };
        let stale = Duration::from_secs(30);
        let now = UnixMillis::of(SystemTime::now());
        let judged = |cpu, disk, at| {
            let load = ReportedLoad { cpu, disk, ..ReportedLoad::default() };
            let verdict = judge(&limits, Some((load, at)), stale);
            (verdict.status, verdict.reason)
        };
        let (status, reason) = judged(Some(0.95), Some(1.0), now);
        assert_eq!(status, HealthStatus::Warning);
        assert_eq!(reason, "cpu at 0.95, above 0.90; disk at 1.00, above 0.90");
        assert_eq!(judged(Some(0.9), None, now).0, HealthStatus::Passing);
        let long_ago = UnixMillis(now.0 - 60_000);
        assert_eq!(judged(Some(0.95), None, long_ago).0, HealthStatus::Passing, "too old to judge");
        assert_eq!(judge(&limits, None, stale).status, HealthStatus::Passing);
    }
}
