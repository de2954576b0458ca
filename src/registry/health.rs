//! How well an instance is, from what its checks say: the worst of it.
//!
//! Pure. Knows no check but the registry's own, `ttl`.

use std::sync::{Arc, LazyLock};

use super::outcomes::Outcomes;
use super::snapshot::{CheckOutcome, Health};
use crate::model::{CheckName, HealthStatus, UnixMillis, Verdict};

/// The registry's own check: whether heart-beats come.
pub static TTL_CHECK: LazyLock<CheckName> =
    LazyLock::new(|| CheckName::new("ttl").expect("three letters are a name"));

static NO_REASON: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// A check changed its mind.
#[derive(Debug, PartialEq)]
pub(super) struct Flip {
    pub check: CheckName,
    pub from: HealthStatus,
    pub to: HealthStatus,
    pub reason: Arc<str>,
    /// Of the instance as a whole, after it.
    pub status: HealthStatus,
}

impl Health {
    /// That of an instance that nothing is known of: it may be given requests.
    pub(super) fn unknown(now: UnixMillis) -> Self {
        Self {
            status: HealthStatus::Passing,
            reason: NO_REASON.clone(),
            since: now,
            checks: Outcomes::default(),
        }
    }

    /// After a check said something, or (`None`) is no longer made; `None` if nothing changed.
    pub(super) fn after(
        &self,
        check: &CheckName,
        verdict: Option<&Verdict>,
        now: UnixMillis,
    ) -> Option<(Self, Option<Flip>)> {
        let old = self.checks.get(check);
        let from = old.map_or(HealthStatus::Passing, |old| old.status);
        let unchanged = match (old, verdict) {
            (Some(old), Some(new)) => old.status == new.status && *old.reason == *new.reason,
            (old, new) => old.is_none() && new.is_none(),
        };
        if unchanged {
            return None;
        }
        let outcome = verdict.map(|verdict| CheckOutcome {
            status: verdict.status,
            reason: match verdict.reason.as_str() {
                "" => NO_REASON.clone(),
                reason => reason.into(),
            },
            since: old.filter(|old| old.status == verdict.status).map_or(now, |old| old.since),
        });
        let checks = self.checks.with(check, outcome);
        let health = self.judged_by(checks, now);
        let to = verdict.map_or(HealthStatus::Passing, |verdict| verdict.status);
        let flip = (from != to).then(|| Flip {
            check: check.clone(),
            from,
            to,
            reason: health
                .checks
                .get(check)
                .map_or_else(|| NO_REASON.clone(), |c| c.reason.clone()),
            status: health.status,
        });
        Some((health, flip))
    }

    /// The worst of `checks`; among equals the first by name speaks.
    fn judged_by(&self, checks: Outcomes, now: UnixMillis) -> Self {
        let worst = checks.iter().map(|(_, outcome)| outcome).rev();
        let worst = worst.max_by_key(|outcome| outcome.status);
        let (status, reason) = worst.map_or_else(
            || (HealthStatus::Passing, NO_REASON.clone()),
            |outcome| (outcome.status, outcome.reason.clone()),
        );
        let since = if status == self.status { self.since } else { now };
        Self { status, reason, since, checks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> CheckName {
        CheckName::new(name).unwrap()
    }

    fn say(health: &Health, name: &str, status: HealthStatus, reason: &str, at: u64) -> Health {
        let verdict = Verdict::new(status, reason);
        health.after(&check(name), Some(&verdict), UnixMillis(at)).unwrap().0
    }

    #[test]
    fn the_worst_check_decides_and_gives_the_reason() {
        use HealthStatus::{Critical, Passing, Warning};
        let health = Health::unknown(UnixMillis(1));
        let health = say(&health, "b", Critical, "refused", 2);
        let health = say(&health, "c", Critical, "gone", 3);
        let health = say(&health, "a", Warning, "slow", 4);
        assert_eq!((health.status, &*health.reason, health.since.0), (Critical, "refused", 2));
        let health = say(&health, "b", Passing, "", 5);
        assert_eq!((health.status, &*health.reason, health.since.0), (Critical, "gone", 2));
        let (health, flip) = health.after(&check("c"), None, UnixMillis(6)).unwrap();
        assert_eq!((health.status, &*health.reason, health.since.0), (Warning, "slow", 6));
        let flip = flip.unwrap();
        assert_eq!((flip.from, flip.to, flip.status), (Critical, Passing, Warning));
    }

    #[test]
    fn a_new_reason_is_news_but_no_flip_and_the_same_again_is_neither() {
        let health = Health::unknown(UnixMillis(1));
        let health = say(&health, "a", HealthStatus::Warning, "612 ms", 2);
        let slower = Verdict::new(HealthStatus::Warning, "800 ms");
        let (health, flip) = health.after(&check("a"), Some(&slower), UnixMillis(3)).unwrap();
        assert_eq!((flip, health.checks["a"].since.0), (None, 2));
        assert_eq!(health.after(&check("a"), Some(&slower), UnixMillis(4)), None);
        assert_eq!(health.after(&check("x"), None, UnixMillis(4)), None);
        let passing = Verdict::new(HealthStatus::Passing, "");
        let (_, flip) = health.after(&check("x"), Some(&passing), UnixMillis(4)).unwrap();
        assert_eq!(flip, None, "a first good word is no flip");
    }
}
