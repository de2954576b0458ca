//! Versions of a service: which are registered, which of them serve, which ought not to be used any more.
//!
//! Pure functions over a service.

use std::collections::BTreeMap;

use semver::{Version, VersionReq};

use super::snapshot::ServiceView;
use crate::model::{Deprecation, ServiceRecord};

/// One version of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VersionState<'a> {
    /// Instances that registered with it.
    pub registered: usize,
    /// Of those, the ones that may be given requests. A version with any is active.
    pub active: usize,
    /// It ought not to be used any more.
    pub deprecation: Option<&'a Deprecation>,
}

/// The versions that a service's instances have, oldest first.
pub fn versions(view: &ServiceView) -> BTreeMap<&Version, VersionState<'_>> {
    let mut versions = BTreeMap::<_, VersionState<'_>>::new();
    for instance in view.instances.values() {
        let Some(version) = &instance.record.version else { continue };
        let state = versions.entry(version).or_default();
        state.registered += 1;
        state.active += usize::from(instance.is_eligible());
    }
    for (version, state) in &mut versions {
        state.deprecation = deprecation(&view.record, version);
    }
    versions
}

/// What was said against a version; what is announced for later counts too.
pub fn deprecation<'a>(record: &'a ServiceRecord, version: &Version) -> Option<&'a Deprecation> {
    let said = record.deprecations.iter().filter(|said| covers(&said.versions, version));
    said.min_by_key(|said| said.since)
}

/// The versions of a service that satisfy a requirement, newest first; and whether each is active.
pub fn compatible<'a>(view: &'a ServiceView, wanted: &VersionReq) -> Vec<(&'a Version, bool)> {
    let all = versions(view).into_iter().rev();
    let fitting = all.filter(|(version, _)| wanted.matches(version));
    fitting.map(|(version, state)| (version, state.active > 0)).collect()
}

/// Unlike a client that looks for a version, who deprecates `<2` means `1.5.0-beta` as well.
fn covers(versions: &VersionReq, version: &Version) -> bool {
    let released = Version::new(version.major, version.minor, version.patch);
    versions.matches(version) || versions.matches(&released)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HealthStatus, UnixMillis, Verdict};
    use crate::registry::health::TTL_CHECK;
    use crate::registry::sample::{view, with};

    #[test]
    fn versions_are_counted_and_what_is_deprecated_is_marked() {
        let mut silent = with("c", "2.0.0", &[], "");
        let verdict = Verdict::new(HealthStatus::Critical, "x");
        silent.health = silent.health.after(&TTL_CHECK, Some(&verdict), UnixMillis(1)).unwrap().0;
        let mut view = view(&[
            with("a", "1.2.0", &[], ""),
            with("b", "1.2.0", &[], ""),
            silent,
            with("d", "1.5.0-beta", &[], ""),
            with("e", "", &[], ""),
        ]);
        let said = |versions: &str, since| Deprecation {
            versions: versions.parse().unwrap(),
            since: UnixMillis(since),
            sunset: None,
            reason: String::new(),
            replacement: String::new(),
        };
        let mut record = ServiceRecord::clone(&view.record);
        record.deprecations = vec![said("<2", 7), said("^1", 5)];
        view.record = record.into();
        let found = versions(&view);
        let lines: Vec<_> = found
            .iter()
            .map(|(version, state)| {
                let since = state.deprecation.map_or(0, |said| said.since.0);
                format!("{version} {} {} {since}", state.registered, state.active)
            })
            .collect();
        assert_eq!(lines, ["1.2.0 2 2 5", "1.5.0-beta 1 1 5", "2.0.0 1 0 0"]);
        let compatible = compatible(&view, &">=1".parse().unwrap());
        let compatible: Vec<_> = compatible.iter().map(|(v, a)| (v.to_string(), *a)).collect();
        assert_eq!(compatible, [("2.0.0".to_owned(), false), ("1.2.0".to_owned(), true)]);
    }
}
