//! Services, without what stands in columns of their own.

use std::collections::BTreeMap;

use semver::VersionReq;
use serde::{Deserialize, Serialize};

use super::check::CheckForm;
use super::{KeyForm, Unfit, key_form, key_of, millis, tag_forms, tags_of};
use crate::model::{Deprecation, GroupName, ServiceKey, ServiceRecord, UnixMillis};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    kind: String,
    protocol: String,
    dependencies: Vec<KeyForm>,
    tags: Vec<String>,
    metadata: BTreeMap<String, String>,
    owner: String,
    checks: Vec<CheckForm>,
    deprecations: Vec<DeprecationForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeprecationForm {
    versions: String,
    since_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sunset_ms: Option<u64>,
    reason: String,
    replacement: String,
}

/// The JSON of a record.
pub(in crate::store) fn service_json(record: &ServiceRecord) -> Result<String, Unfit> {
    let ServiceRecord {
        key: _, // columns
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
    let form = ServiceForm {
        group: group.as_ref().map(ToString::to_string),
        kind: kind.clone(),
        protocol: protocol.clone(),
        dependencies: dependencies.iter().map(key_form).collect(),
        tags: tag_forms(tags),
        metadata: metadata.clone(),
        owner: owner.clone(),
        checks: checks.iter().map(CheckForm::of).collect(),
        deprecations: deprecations.iter().map(DeprecationForm::of).collect(),
    };
    Ok(serde_json::to_string(&form)?)
}

/// The record of a JSON text.
pub(in crate::store) fn service_record(
    key: ServiceKey,
    json: &str,
) -> Result<ServiceRecord, Unfit> {
    let form: ServiceForm = serde_json::from_str(json)?;
    let ServiceForm {
        group,
        kind,
        protocol,
        dependencies,
        tags,
        metadata,
        owner,
        checks,
        deprecations,
    } = form;
    Ok(ServiceRecord {
        key,
        group: group.map(|group| GroupName::new(&group)).transpose()?,
        kind,
        protocol,
        dependencies: dependencies.iter().map(key_of).collect::<Result<_, _>>()?,
        tags: tags_of(&tags)?,
        metadata,
        owner,
        checks: checks.into_iter().map(CheckForm::check).collect::<Result<_, _>>()?,
        deprecations: deprecations
            .into_iter()
            .map(DeprecationForm::deprecation)
            .collect::<Result<_, _>>()?,
    })
}

impl DeprecationForm {
    fn of(deprecation: &Deprecation) -> Self {
        let Deprecation { versions, since, sunset, reason, replacement } = deprecation;
        Self {
            versions: versions.to_string(),
            since_ms: millis(*since),
            sunset_ms: sunset.map(millis),
            reason: reason.clone(),
            replacement: replacement.clone(),
        }
    }

    fn deprecation(self) -> Result<Deprecation, Unfit> {
        let Self { versions, since_ms, sunset_ms, reason, replacement } = self;
        Ok(Deprecation {
            versions: VersionReq::parse(&versions)?,
            since: UnixMillis(since_ms),
            sunset: sunset_ms.map(UnixMillis),
            reason,
            replacement,
        })
    }
}
