//! What is checked: an instance, and the addresses at which it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::super::patient::{Permit, Rules};
use super::bindings::Endpoint;
use crate::model::InstanceRecord;

/// One instance under check. Who makes one has resolved its host: the check connects to these
/// addresses, and no second answer of a name server counts.
#[derive(Debug, Clone)]
pub struct Target {
    pub record: Arc<InstanceRecord>,
    /// At least one; the first is the one that the component is shown.
    pub addresses: Vec<IpAddr>,
}

impl Target {
    /// Where it may be reached, in the order in which that is tried.
    pub(super) fn socket_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addresses.iter().map(|ip| SocketAddr::new(ip.to_canonical(), self.record.port))
    }

    /// Permission to reach it, and what the rules list.
    pub(super) fn permit(&self, rules: Rules) -> Permit {
        let instance = format!("{}/{}", self.record.service, self.record.id);
        let addresses = self.socket_addresses().collect();
        Permit::for_instance(rules, instance, &self.record.host, addresses)
    }

    /// As the component is shown it, for a check that may take `deadline`.
    pub(super) fn to_guest(&self, deadline: Duration) -> Endpoint {
        let record = &self.record;
        Endpoint {
            service: record.service.to_string(),
            id: record.id.to_string(),
            host: record.host.clone(),
            address: self.socket_addresses().next().map(|a| a.to_string()).unwrap_or_default(),
            port: record.port,
            version: record.version.as_ref().map(ToString::to_string).unwrap_or_default(),
            zone: record.zone.clone(),
            region: record.region.clone(),
            metadata: record.metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            timeout_ms: u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX),
        }
    }
}
