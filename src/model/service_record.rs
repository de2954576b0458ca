//! A service, as somebody described it to the registry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use semver::VersionReq;

use super::{Check, GroupName, Namespace, ServiceName, Tag, UnixMillis};

/// A service's name with its namespace: what the registry knows it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    pub namespace: Namespace,
    pub name: ServiceName,
}

impl ServiceKey {
    /// A service of the default namespace.
    pub fn in_default(name: ServiceName) -> Self {
        Self { namespace: Namespace::default_one(), name }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What is known of a service beside its instances. A service whose instances register without
/// anybody having described it has only its key.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRecord {
    pub key: ServiceKey,
    /// Operated on together with the others of this group.
    pub group: Option<GroupName>,
    /// What it is for people: `api`, `database`, `queue`; empty when nobody said.
    pub kind: String,
    /// What its instances speak where they do not say: `http`, `grpc`, `tcp`; empty when nobody said.
    pub protocol: String,
    /// The services that it does not work without.
    pub dependencies: BTreeSet<ServiceKey>,
    pub tags: BTreeSet<Tag>,
    pub metadata: BTreeMap<String, String>,
    /// The team or person to call; empty when nobody said.
    pub owner: String,
    /// How its instances are checked, beside what `[services]` says of it.
    pub checks: Vec<Check>,
    pub deprecations: Vec<Deprecation>,
}

impl ServiceRecord {
    /// A service of which only the name is known.
    pub fn bare(key: ServiceKey) -> Self {
        Self {
            key,
            group: None,
            kind: String::new(),
            protocol: String::new(),
            dependencies: BTreeSet::new(),
            tags: BTreeSet::new(),
            metadata: BTreeMap::new(),
            owner: String::new(),
            checks: Vec::new(),
            deprecations: Vec::new(),
        }
    }
}

/// Versions of a service that ought not to be used any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deprecation {
    /// The versions that are meant, such as `<2`.
    pub versions: VersionReq,
    /// Since when, or from when on.
    pub since: UnixMillis,
    /// When they will stop working, if that is known.
    pub sunset: Option<UnixMillis>,
    /// Why, for people.
    pub reason: String,
    /// What to use instead, for people; empty when nobody said.
    pub replacement: String,
}
