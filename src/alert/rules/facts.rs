//! Families that are made for rules alone, of what the registry knows: too many series, or too much of the
//! moment, for an exposition.

/// Instances of a service, by how well they are. A service without any has zeros.
pub const INSTANCES: &str = "proconsul_service_instances";
/// Instances of a service for which a check is critical.
pub const FAILING_CHECKS: &str = "proconsul_service_failing_checks";
/// The share of a dependency's instances that take requests.
pub const DEPENDENCY: &str = "proconsul_dependency_healthy_ratio";
/// What an instance reported with its heart-beats: the share that is in use of a resource.
pub const LOAD: &str = "proconsul_instance_load_ratio";
/// Requests that an instance works on, as it reported.
pub const CONNECTIONS: &str = "proconsul_instance_connections";

/// A family of gauges, and its labels.
pub struct FactFamily {
    pub name: &'static str,
    pub labels: &'static [&'static str],
}

/// All of them.
pub const FACTS: [FactFamily; 5] = [
    FactFamily { name: INSTANCES, labels: &["namespace", "service", "status"] },
    FactFamily { name: FAILING_CHECKS, labels: &["check", "namespace", "service"] },
    FactFamily {
        name: DEPENDENCY,
        labels: &["dependency", "dependency_namespace", "namespace", "service"],
    },
    FactFamily { name: LOAD, labels: &["instance", "namespace", "resource", "service"] },
    FactFamily { name: CONNECTIONS, labels: &["instance", "namespace", "service"] },
];
