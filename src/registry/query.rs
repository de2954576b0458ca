//! Finding services and instances by what they say of themselves.
//!
//! Pure functions over a snapshot, which is the cache: nothing is fetched, copied or kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use semver::VersionReq;

use super::snapshot::{Instance, ServiceView, Snapshot};
use crate::model::{GroupName, HealthStatus, Namespace, Tag};

/// Which services are looked for: all that have everything that is named.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceQuery {
    pub namespace: Option<Namespace>,
    pub group: Option<GroupName>,
    pub kind: Option<String>,
    pub protocol: Option<String>,
    pub owner: Option<String>,
    pub tags: BTreeSet<Tag>,
    /// These keys with these values.
    pub metadata: BTreeMap<String, String>,
    /// The name begins so.
    pub name_prefix: String,
}

impl ServiceQuery {
    /// The services that are looked for, in the order of their keys.
    pub fn find<'a>(
        &'a self,
        snapshot: &'a Snapshot,
    ) -> impl Iterator<Item = &'a Arc<ServiceView>> {
        snapshot.services.values().filter(|view| self.matches(view))
    }

    /// Whether this is one of them.
    pub fn matches(&self, view: &ServiceView) -> bool {
        let record = &view.record;
        self.namespace.as_ref().is_none_or(|namespace| *namespace == record.key.namespace)
            && record.key.name.as_str().starts_with(&self.name_prefix)
            && self.group.as_ref().is_none_or(|group| Some(group) == record.group.as_ref())
            && is(&self.kind, &record.kind)
            && is(&self.protocol, &record.protocol)
            && is(&self.owner, &record.owner)
            && self.tags.is_subset(&record.tags)
            && holds(&record.metadata, &self.metadata)
    }
}

/// Which instances are looked for: all that have everything that is named.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstanceQuery {
    pub tags: BTreeSet<Tag>,
    /// These keys with these values.
    pub metadata: BTreeMap<String, String>,
    /// Its version is one of these; one without a version never is.
    pub version: Option<VersionReq>,
    pub zone: Option<String>,
    pub region: Option<String>,
    /// It has one of these; empty = any.
    pub statuses: BTreeSet<HealthStatus>,
    /// It may be given requests: neither critical nor called out.
    pub eligible: bool,
}

impl InstanceQuery {
    /// The instances that are looked for, in the order of their ids.
    pub fn find<'a>(&'a self, view: &'a ServiceView) -> impl Iterator<Item = &'a Arc<Instance>> {
        view.instances.values().filter(|instance| self.matches(instance))
    }

    /// Whether this is one of them.
    pub fn matches(&self, instance: &Instance) -> bool {
        let record = &instance.record;
        let version =
            |wanted: &VersionReq| record.version.as_ref().is_some_and(|v| wanted.matches(v));
        (!self.eligible || instance.is_eligible())
            && (self.statuses.is_empty() || self.statuses.contains(&instance.health.status))
            && is(&self.zone, &record.zone)
            && is(&self.region, &record.region)
            && self.version.as_ref().is_none_or(version)
            && self.tags.is_subset(&record.tags)
            && holds(&record.metadata, &self.metadata)
    }
}

fn is(wanted: &Option<String>, found: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == found)
}

fn holds(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| found.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::sample::{view, with};

    fn found(query: &InstanceQuery) -> String {
        let view = view(&[
            with("a", "1.2.0", &["blue"], "eu-1a"),
            with("b", "1.9.1", &["blue", "canary"], "eu-1b"),
            with("c", "2.0.0", &[], "eu-1a"),
            with("d", "", &["blue"], "eu-1a"),
        ]);
        query.find(&view).map(|instance| instance.record.id.as_str()).collect()
    }

    #[test]
    fn instances_are_found_by_all_that_is_named() {
        let any = InstanceQuery::default;
        let tags = |tags: &[&str]| tags.iter().map(|tag| Tag::new(tag).unwrap()).collect();
        let version = |text: &str| Some(VersionReq::parse(text).unwrap());
        assert_eq!(found(&any()), "abcd");
        assert_eq!(found(&InstanceQuery { version: version("^1.2"), ..any() }), "ab");
        assert_eq!(found(&InstanceQuery { version: version(">=1.3, <2"), ..any() }), "b");
        assert_eq!(found(&InstanceQuery { tags: tags(&["blue"]), ..any() }), "abd");
        assert_eq!(found(&InstanceQuery { tags: tags(&["blue", "canary"]), ..any() }), "b");
        let zone = Some("eu-1a".to_owned());
        let both = InstanceQuery { zone, tags: tags(&["blue"]), ..any() };
        assert_eq!(found(&both), "ad");
        let metadata: BTreeMap<_, _> = [("id".to_owned(), "c".to_owned())].into();
        assert_eq!(found(&InstanceQuery { metadata, ..any() }), "c");
        let statuses = [HealthStatus::Critical].into();
        assert_eq!(found(&InstanceQuery { statuses, ..any() }), "");
        assert_eq!(found(&InstanceQuery { eligible: true, ..any() }), "abcd");
    }

    #[test]
    fn services_are_found_by_all_that_is_named() {
        let view = view(&[]);
        let matches = |query: ServiceQuery| query.matches(&view);
        let any = ServiceQuery::default;
        assert!(matches(any()));
        assert!(matches(ServiceQuery { name_prefix: "we".to_owned(), ..any() }));
        assert!(!matches(ServiceQuery { name_prefix: "eb".to_owned(), ..any() }));
        assert!(!matches(ServiceQuery { owner: Some("x".to_owned()), ..any() }));
        assert!(!matches(ServiceQuery { group: Some(GroupName::new("g").unwrap()), ..any() }));
        let namespace = Some(Namespace::new("elsewhere").unwrap());
        assert!(!matches(ServiceQuery { namespace, ..any() }));
    }
}
