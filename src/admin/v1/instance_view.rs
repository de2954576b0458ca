//! An instance, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::deprecation::DeprecationView;
use super::words::{DutyWord, HealthWord, OriginWord, rfc3339};
use crate::config::Time;
use crate::model::{Check, CheckKind, Duty, ReportedLoad, ServiceRecord, UnixMillis};
use crate::registry::{Health, Instance};

/// An instance of a service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceView {
    pub namespace: String,
    pub service: String,
    pub id: String,
    /// As semantic versioning has it.
    pub version: Option<String>,
    pub host: String,
    pub port: u16,
    /// `http`, `grpc`, `tcp`; empty when nobody said.
    pub protocol: String,
    /// Its share of the traffic.
    pub weight: u32,
    pub zone: String,
    pub region: String,
    pub tags: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// It must send a heart-beat within this.
    pub ttl: Option<String>,
    /// Checks of its own.
    pub checks: Vec<CheckView>,
    pub origin: OriginWord,
    pub duty: DutyWord,
    /// Why it is in maintenance.
    pub maintenance_reason: Option<String>,
    pub health: HealthView,
    /// Whether it may be given requests.
    pub eligible: bool,
    /// Why its version ought not to be used any more.
    pub deprecation: Option<DeprecationView>,
    #[schema(format = DateTime)]
    pub registered: String,
    #[schema(format = DateTime)]
    pub updated: String,
    /// Of the newest change to it; its `ETag`.
    pub index: u64,
    /// What changes all the time; left out where states are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vitals: Option<VitalsView>,
}

/// What of an instance changes all the time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VitalsView {
    /// When it was last heard of.
    #[schema(format = DateTime)]
    pub last_heartbeat: String,
    /// What it last said of its resources; absent if it never did.
    pub load: Option<LoadView>,
    /// Requests in flight through this proxy.
    pub requests_in_flight: u32,
}

/// What an instance said of its resources: shares from 0 to 1.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LoadView {
    pub cpu: Option<f32>,
    pub memory: Option<f32>,
    pub disk: Option<f32>,
    pub in_flight: Option<u32>,
    /// How long ago it said so.
    pub age_ms: u64,
}

/// How well an instance is, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthView {
    pub status: HealthWord,
    /// Of the check that decided.
    pub reason: String,
    #[schema(format = DateTime)]
    pub since: String,
    /// What each check says.
    pub checks: BTreeMap<String, OutcomeView>,
}

/// What one check says.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OutcomeView {
    pub status: HealthWord,
    pub reason: String,
    #[schema(format = DateTime)]
    pub since: String,
}

/// A check, without what it sends: that may be a secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckView {
    pub name: String,
    /// `http`, `tcp`, `grpc`, `response_time`, `resources` or `plugin`.
    pub kind: &'static str,
    pub interval: String,
    pub timeout: String,
}

impl InstanceView {
    pub fn of(instance: &Instance, service: &ServiceRecord) -> Self {
        let record = &instance.record;
        Self {
            namespace: record.service.namespace.to_string(),
            service: record.service.name.to_string(),
            id: record.id.to_string(),
            version: record.version.as_ref().map(ToString::to_string),
            host: record.host.clone(),
            port: record.port,
            protocol: match record.protocol.as_str() {
                "" => service.protocol.clone(),
                own => own.to_owned(),
            },
            weight: record.weight.get(),
            zone: record.zone.clone(),
            region: record.region.clone(),
            tags: record.tags.iter().map(ToString::to_string).collect(),
            metadata: record.metadata.clone(),
            ttl: record.ttl.map(|ttl| Time(ttl).to_string()),
            checks: record.checks.iter().map(CheckView::of).collect(),
            origin: instance.origin.into(),
            duty: (&instance.duty).into(),
            maintenance_reason: match &instance.duty {
                Duty::Maintenance { reason } => Some(reason.clone()),
                Duty::Active | Duty::Draining => None,
            },
            health: HealthView::of(&instance.health),
            eligible: instance.is_eligible(),
            deprecation: DeprecationView::of_instance(record, service),
            registered: rfc3339(instance.registered),
            updated: rfc3339(instance.updated),
            index: instance.index,
            vitals: None,
        }
    }

    /// With what changes all the time, as it is now.
    pub fn with_vitals(mut self, instance: &Instance, now: UnixMillis) -> Self {
        let vitals = &instance.vitals;
        self.vitals = Some(VitalsView {
            last_heartbeat: rfc3339(vitals.last_beat()),
            load: vitals.load().map(|(load, at)| LoadView::of(load, now, at)),
            requests_in_flight: vitals.endpoint.active(),
        });
        self
    }
}

impl LoadView {
    fn of(load: ReportedLoad, now: UnixMillis, at: UnixMillis) -> Self {
        let ReportedLoad { cpu, memory, disk, in_flight } = load;
        let age_ms = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
        Self { cpu, memory, disk, in_flight, age_ms }
    }
}

impl HealthView {
    pub fn of(health: &Health) -> Self {
        let checks = health.checks.iter().map(|(name, outcome)| {
            let view = OutcomeView {
                status: outcome.status.into(),
                reason: outcome.reason.to_string(),
                since: rfc3339(outcome.since),
            };
            (name.to_string(), view)
        });
        Self {
            status: health.status.into(),
            reason: health.reason.to_string(),
            since: rfc3339(health.since),
            checks: checks.collect(),
        }
    }
}

impl CheckView {
    pub fn of(check: &Check) -> Self {
        Self {
            name: check.name.to_string(),
            kind: match &check.kind {
                CheckKind::Http(_) => "http",
                CheckKind::Tcp(_) => "tcp",
                CheckKind::Grpc(_) => "grpc",
                CheckKind::ResponseTime(_) => "response_time",
                CheckKind::Resources(_) => "resources",
                CheckKind::Plugin(_) => "plugin",
            },
            interval: Time(check.schedule.interval).to_string(),
            timeout: Time(check.schedule.timeout).to_string(),
        }
    }
}
