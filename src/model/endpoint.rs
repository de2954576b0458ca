//! One place that a request can be sent to, as configuration and registration describe it.

use std::collections::BTreeMap;

use super::{EndpointId, Weight};

/// What is known about an endpoint before any request went to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Stable within its service; `host:port` where none is given.
    pub id: EndpointId,
    /// An IP address, or a name that is resolved again as its DNS record ages.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Share of the traffic.
    pub weight: Weight,
    /// Zone, such as `eu-central-1a`; empty when unknown.
    pub zone: String,
    /// Region, such as `eu-central-1`; empty when unknown.
    pub region: String,
    /// Free facts for strategies and people.
    pub metadata: BTreeMap<String, String>,
}
