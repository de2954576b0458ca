//! A registration: what an instance says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check_body::{CheckBody, checks};
use super::convert::{host, metadata, port, tags, text, time, version};
use crate::admin::input::{At, MAX_TTL, MAX_WORD_BYTES, MIN_TTL, Mistakes};
use crate::admin::v1::Checks;
use crate::config::Time;
use crate::model::{InstanceId, InstanceRecord, ServiceKey, Weight};

/// What an instance says about itself.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceBody {
    /// As semantic versioning has it.
    #[schema(max_length = 256, example = "1.4.2", nullable)]
    pub version: Option<String>,
    /// An IP address, or a name that is resolved again as its DNS record ages.
    #[schema(min_length = 1, max_length = 253, example = "10.0.0.7")]
    pub host: String,
    #[schema(minimum = 1, example = 8080)]
    pub port: u16,
    /// What it speaks: `http`, `grpc`, `tcp`; empty = what its service speaks.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub protocol: String,
    /// Its share of the traffic; 1 if absent, 0 = none.
    #[schema(maximum = 65535)]
    pub weight: Option<u16>,
    /// Such as `eu-central-1a`.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub zone: String,
    /// Such as `eu-central-1`.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub region: String,
    /// Words that it is found by.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub tags: Vec<String>,
    /// Free facts for strategies and people.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// It must send a heart-beat within this, or is critical; absent = it need not. 100ms to 24h.
    #[schema(value_type = Option<String>, pattern = r"^([0-9]{1,9}(us|ms|s|m|h))+$", example = "30s")]
    pub ttl: Option<Time>,
    /// Checks of its own. One with the name of a check of its service takes that one's place.
    #[serde(default, skip_serializing)]
    #[schema(max_items = 16)]
    pub checks: Vec<CheckBody>,
}

impl InstanceBody {
    /// The same as a record; `known` are the checks that the configuration names.
    pub fn convert(
        self,
        service: ServiceKey,
        id: InstanceId,
        known: &Checks,
        mistakes: &mut Mistakes,
    ) -> Option<InstanceRecord> {
        let at = &At::ROOT;
        let word = |written, key, mistakes: &mut Mistakes| {
            text(written, MAX_WORD_BYTES, &at.key(key), mistakes)
        };
        let version = match self.version {
            None => Some(None),
            Some(text) => mistakes.take(&at.key("version"), version(&text)).map(Some),
        };
        let host = mistakes.take(&at.key("host"), host(&self.host));
        let port = mistakes.take(&at.key("port"), port(self.port));
        let protocol = word(self.protocol, "protocol", mistakes);
        let zone = word(self.zone, "zone", mistakes);
        let region = word(self.region, "region", mistakes);
        let weight = self.weight.map_or(Ok(Weight::DEFAULT), |weight| Weight::new(weight.into()));
        let weight = mistakes.take(&at.key("weight"), weight);
        let tags = tags(self.tags, &at.key("tags"), mistakes);
        let metadata = metadata(self.metadata, &at.key("metadata"), mistakes);
        let ttl = match self.ttl {
            None => Some(None),
            Some(ttl) => time(ttl, MIN_TTL, MAX_TTL, &at.key("ttl"), mistakes).map(Some),
        };
        let checks = checks(self.checks, known, &at.key("checks"), mistakes);
        Some(InstanceRecord {
            service,
            id,
            version: version?,
            host: host?,
            port: port?,
            protocol: protocol?,
            weight: weight?,
            zone: zone?,
            region: region?,
            tags: tags?,
            metadata: metadata?,
            ttl: ttl?,
            checks: checks?,
        })
    }

    /// What such a record was registered with, its checks apart: for a patch to change.
    pub fn of(record: &InstanceRecord) -> Self {
        let InstanceRecord {
            service: _,
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
            checks: _,
        } = record;
        Self {
            version: version.as_ref().map(ToString::to_string),
            host: host.clone(),
            port: *port,
            protocol: protocol.clone(),
            weight: u16::try_from(weight.get()).ok(),
            zone: zone.clone(),
            region: region.clone(),
            tags: tags.iter().map(ToString::to_string).collect(),
            metadata: metadata.clone(),
            ttl: ttl.map(Time),
            checks: Vec::new(),
        }
    }
}
