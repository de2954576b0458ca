//! Instances, without what stands in columns of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::check::CheckForm;
use super::{Unfit, nanos, tag_forms, tags_of};
use crate::model::{InstanceId, InstanceRecord, ServiceKey, Weight};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InstanceForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    host: String,
    port: u16,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    protocol: String,
    weight: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    zone: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    region: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckForm>,
}

/// The JSON of a record.
pub(in crate::store) fn instance_json(record: &InstanceRecord) -> Result<String, Unfit> {
    let InstanceRecord {
        service: _, // columns
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
    let form = InstanceForm {
        version: version.as_ref().map(ToString::to_string),
        host: host.clone(),
        port: *port,
        protocol: protocol.clone(),
        weight: weight.get().into(),
        zone: zone.clone(),
        region: region.clone(),
        tags: tag_forms(tags),
        metadata: metadata.clone(),
        ttl_ns: ttl.map(nanos),
        checks: checks.iter().map(CheckForm::of).collect(),
    };
    Ok(serde_json::to_string(&form)?)
}

/// The record of a JSON text.
pub(in crate::store) fn instance_record(
    service: ServiceKey,
    id: InstanceId,
    json: &str,
) -> Result<InstanceRecord, Unfit> {
    let form: InstanceForm = serde_json::from_str(json)?;
    let InstanceForm {
        version,
        host,
        port,
        protocol,
        weight,
        zone,
        region,
        tags,
        metadata,
        ttl_ns,
        checks,
    } = form;
    Ok(InstanceRecord {
        service,
        id,
        version: version.map(|version| Version::parse(&version)).transpose()?,
        host,
        port,
        protocol,
        weight: Weight::new(weight)?,
        zone,
        region,
        tags: tags_of(&tags)?,
        metadata,
        ttl: ttl_ns.map(Duration::from_nanos),
        checks: checks.into_iter().map(CheckForm::check).collect::<Result<_, _>>()?,
    })
}
