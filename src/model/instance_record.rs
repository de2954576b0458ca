//! An instance of a service, as it registered itself or as the configuration lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use semver::Version;

use super::{Check, InstanceId, ServiceKey, Tag, Weight};

/// What an instance says about itself. What happens to it later, its health above all, is not here.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRecord {
    pub service: ServiceKey,
    /// Stable over restarts of the instance: registering the same id again is an update.
    pub id: InstanceId,
    pub version: Option<Version>,
    /// An IP address, or a name that is resolved again as its DNS record ages.
    pub host: String,
    pub port: u16,
    /// What it speaks: `http`, `grpc`, `tcp`; empty = what its service speaks.
    pub protocol: String,
    pub weight: Weight,
    /// Zone, such as `eu-central-1a`; empty when unknown.
    pub zone: String,
    /// Region, such as `eu-central-1`; empty when unknown.
    pub region: String,
    pub tags: BTreeSet<Tag>,
    pub metadata: BTreeMap<String, String>,
    /// It must send a heart-beat within this, or is critical; `None` = it need not.
    pub ttl: Option<Duration>,
    /// Checks of its own. One with the name of a check of its service takes that one's place.
    pub checks: Vec<Check>,
}

/// An instance's id with its service's key: what the registry knows it by.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey {
    pub service: ServiceKey,
    pub id: InstanceId,
}

/// Where an instance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `[services.*.endpoints]`: in no store, and changed by editing the file alone.
    Configuration,
    /// It registered, and is in the store.
    Registration,
}

/// What an operator wants of an instance, whatever its health.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Duty {
    /// It takes requests while it is well.
    #[default]
    Active,
    /// It takes no requests until it is called back.
    Maintenance {
        /// Why, for people.
        reason: String,
    },
    /// It takes no new requests, and leaves when those in flight are done.
    Draining,
}

/// What an instance said about its own resources.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReportedLoad {
    /// Shares in use, 0 to 1; `None` = not said.
    pub cpu: Option<f32>,
    pub memory: Option<f32>,
    pub disk: Option<f32>,
    /// Requests that it works on.
    pub in_flight: Option<u32>,
}
