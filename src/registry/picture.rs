//! What audit records show of a thing before and after a change, as JSON.
//!
//! No secrets: of a subscription's key, of headers and bytes that checks send, and of plugins'
//! configuration it shows only that they are there.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::snapshot::Instance;
use crate::model::{
    Check, CheckKind, Deprecation, Duty, InstanceRecord, PluginSource, ServiceRecord, UnixMillis,
};
use crate::store::Subscription;

/// What stands where a secret is.
const MASKED: &str = "***";

/// An instance that is there.
pub(super) fn of_instance(instance: &Instance) -> String {
    instance_with(&instance.record, &instance.duty)
}

/// An instance as it is to be.
pub(super) fn instance_with(record: &InstanceRecord, duty: &Duty) -> String {
    let InstanceRecord {
        service: _, // both stand in the record's subject
        id: _,
        version,
        host,
        port,
        protocol,
        weight,
        zone,
        region,
        tags,
        metadata,
        ttl,
        checks,
    } = record;
    json!({
        "duty": duty_word(duty),
        "reason": match duty { Duty::Maintenance { reason } => Some(reason), _ => None },
        "version": version.as_ref().map(ToString::to_string),
        "host": host,
        "port": port,
        "protocol": protocol,
        "weight": weight.get(),
        "zone": zone,
        "region": region,
        "tags": texts(tags),
        "metadata": metadata,
        "ttl_ms": ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
    })
    .to_string()
}

/// A service's description.
pub(super) fn of_service(record: &ServiceRecord) -> String {
    let ServiceRecord {
        key: _, // stands in the record's subject
        group,
        kind,
        protocol,
        dependencies,
        tags,
        metadata,
        owner,
        checks,
        deprecations,
    } = record;
    json!({
        "group": group.as_ref().map(ToString::to_string),
        "kind": kind,
        "protocol": protocol,
        "dependencies": texts(dependencies),
        "tags": texts(tags),
        "metadata": metadata,
        "owner": owner,
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
        "deprecations": deprecations.iter().map(deprecation).collect::<Vec<_>>(),
    })
    .to_string()
}

/// A subscription, without what signs its calls.
pub(super) fn of_subscription(subscription: &Subscription) -> String {
    let Subscription { id: _, service, url, secret: _, owner, created } = subscription;
    json!({
        "service": service.to_string(),
        "url": url,
        "secret": MASKED,
        "owner": owner,
        "created_ms": created.0,
    })
    .to_string()
}

/// What an operator wants of an instance, in a word.
pub(super) fn duty_word(duty: &Duty) -> &'static str {
    match duty {
        Duty::Active => "active",
        Duty::Maintenance { .. } => "maintenance",
        Duty::Draining => "draining",
    }
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

fn deprecation(deprecation: &Deprecation) -> Value {
    let Deprecation { versions, since, sunset, reason, replacement } = deprecation;
    json!({
        "versions": versions.to_string(),
        "since_ms": since.0,
        "sunset_ms": sunset.map(|UnixMillis(sunset)| sunset),
        "reason": reason,
        "replacement": replacement,
    })
}

fn check(check: &Check) -> Value {
    let Check { name, kind, schedule } = check;
    json!({
        "name": name.as_str(),
        "asks": kind_of(kind),
        "interval_ms": u64::try_from(schedule.interval.as_millis()).unwrap_or(u64::MAX),
        "timeout_ms": u64::try_from(schedule.timeout.as_millis()).unwrap_or(u64::MAX),
        "rise": schedule.rise,
        "fall": schedule.fall,
        "initial": schedule.initial.as_str(),
    })
}

fn kind_of(kind: &CheckKind) -> Value {
    match kind {
        CheckKind::Http(http) => {
            let masked = |(name, _): &(String, String)| (name.clone(), MASKED);
            let headers: BTreeMap<_, _> = http.headers.iter().map(masked).collect();
            json!({
                "kind": "http", "method": http.method, "path": http.path, "port": http.port,
                "headers": headers, "tls": http.tls.is_some(),
            })
        }
        CheckKind::Tcp(tcp) => json!({
            "kind": "tcp", "port": tcp.port, "sends_bytes": tcp.send.len(),
            "expects_bytes": tcp.expect.len(),
        }),
        CheckKind::Grpc(grpc) => json!({
            "kind": "grpc", "service": grpc.service, "port": grpc.port, "tls": grpc.tls.is_some(),
        }),
        CheckKind::ResponseTime(_) => json!({ "kind": "response-time" }),
        CheckKind::Resources(limits) => json!({
            "kind": "resources", "cpu": limits.cpu, "memory": limits.memory, "disk": limits.disk,
            "above": limits.above.as_str(),
        }),
        CheckKind::Plugin(plugin) => {
            let source = match &plugin.source {
                PluginSource::BuiltIn(name) => name.clone(),
                PluginSource::File(path) => path.display().to_string(),
            };
            json!({ "kind": "plugin", "source": source, "config": MASKED })
        }
    }
}
