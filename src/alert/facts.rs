//! What the registry knows, as series for rules to be evaluated over.

use std::collections::BTreeMap;

use super::rules::facts::{CONNECTIONS, DEPENDENCY, FAILING_CHECKS, INSTANCES, LOAD};
use crate::model::{CheckName, Duty, HealthStatus};
use crate::registry::{Instance, ServiceView, Snapshot};
use crate::telemetry::metrics::TakeSample;

/// Takes a sample.
pub type Take<'a> = TakeSample<'a>;

/// Hands over everything of a snapshot.
pub fn sample(snapshot: &Snapshot, take: &mut Take<'_>) {
    for view in snapshot.services.values() {
        let key = &view.record.key;
        let of = [("namespace", key.namespace.as_str()), ("service", key.name.as_str())];
        statuses(view, of, take);
        failing_checks(view, of, take);
        for instance in view.instances.values() {
            loads(instance, of, take);
        }
        for dependency in &view.record.dependencies {
            // What nobody knows may be somewhere else, and well.
            let Some(other) = snapshot.services.get(dependency) else { continue };
            let (name, namespace) = (dependency.name.as_str(), dependency.namespace.as_str());
            let labels = [("dependency", name), ("dependency_namespace", namespace), of[0], of[1]];
            take(DEPENDENCY, &labels, healthy_share(other));
        }
    }
}

/// Of those that are meant to take requests, how many do; 0 where there is none.
fn healthy_share(view: &ServiceView) -> f64 {
    let meant = view.instances.values().filter(|instance| instance.duty == Duty::Active);
    let (all, well) = meant
        .fold((0, 0), |(all, well), instance| (all + 1, well + u32::from(instance.is_eligible())));
    f64::from(well) / f64::from(all.max(1))
}

/// Instances that somebody took out on purpose are nobody's worry.
fn statuses(view: &ServiceView, of: [(&str, &str); 2], take: &mut Take<'_>) {
    let active = || view.instances.values().filter(|instance| instance.duty == Duty::Active);
    for status in HealthStatus::ALL {
        let count = active().filter(|instance| instance.health.status == status).count();
        take(INSTANCES, &[of[0], of[1], ("status", status.as_str())], count as f64);
    }
}

fn failing_checks(view: &ServiceView, of: [(&str, &str); 2], take: &mut Take<'_>) {
    let mut failing: BTreeMap<&CheckName, usize> = BTreeMap::new();
    for instance in view.instances.values().filter(|instance| instance.duty == Duty::Active) {
        for (check, outcome) in instance.health.checks.iter() {
            *failing.entry(check).or_default() +=
                usize::from(outcome.status == HealthStatus::Critical);
        }
    }
    for (check, count) in failing {
        take(FAILING_CHECKS, &[("check", check.as_str()), of[0], of[1]], count as f64);
    }
}

fn loads(instance: &Instance, of: [(&str, &str); 2], take: &mut Take<'_>) {
    let Some((load, _)) = instance.vitals.load() else { return };
    let id = ("instance", instance.record.id.as_str());
    let shares = [("cpu", load.cpu), ("memory", load.memory), ("disk", load.disk)];
    for (resource, share) in shares {
        if let Some(share) = share {
            take(LOAD, &[id, of[0], ("resource", resource), of[1]], f64::from(share));
        }
    }
    if let Some(in_flight) = load.in_flight {
        take(CONNECTIONS, &[id, of[0], of[1]], f64::from(in_flight));
    }
}
