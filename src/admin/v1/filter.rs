//! Which of a service's instances somebody looks for.

use semver::VersionReq;
use serde::Deserialize;
use utoipa::IntoParams;

use super::convert::requirement;
use super::words::HealthWord;
use crate::admin::input::{At, Mistakes, Several, from_text};
use crate::model::HealthStatus;
use crate::registry::Instance;

/// Which instances; all conditions hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct FilterQuery {
    /// `default` if absent.
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    pub namespace: Option<String>,
    /// Those that have all of these.
    #[param(value_type = Option<Vec<String>>)]
    pub tag: Several,
    /// Those of whose metadata this is part: `key=value`.
    #[param(value_type = Option<Vec<String>>)]
    pub metadata: Several,
    /// Those whose version fits: `^1.2`, `>=1, <2`.
    pub version: Option<String>,
    pub zone: Option<String>,
    pub region: Option<String>,
    #[param(inline)]
    pub health: Option<HealthWord>,
    /// `true`: those that may be given requests; `false`: the others.
    #[param(value_type = Option<bool>)]
    #[serde(deserialize_with = "from_text")]
    pub eligible: Option<bool>,
}

/// Conditions on instances.
#[derive(Debug, Default)]
pub struct Filter {
    tags: Vec<String>,
    metadata: Vec<(String, String)>,
    version: Option<VersionReq>,
    zone: Option<String>,
    region: Option<String>,
    health: Option<HealthStatus>,
    eligible: Option<bool>,
}

impl FilterQuery {
    pub fn convert(self, mistakes: &mut Mistakes) -> Option<Filter> {
        let at = At::ROOT;
        let Self { namespace: _, tag, metadata, version, zone, region, health, eligible } = self;
        let version = match version {
            None => Some(None),
            Some(text) => mistakes.take(&at.key("version"), requirement(&text)).map(Some),
        };
        let pairs = metadata.into_vec().into_iter().map(|pair| match pair.split_once('=') {
            Some((key, value)) => Some((key.to_owned(), value.to_owned())),
            None => {
                mistakes.add(&at.key("metadata"), "is no key=value");
                None
            }
        });
        let metadata = pairs.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>();
        Some(Filter {
            tags: tag.into_vec(),
            metadata: metadata?,
            version: version?,
            zone,
            region,
            health: health.map(HealthStatus::from),
            eligible,
        })
    }
}

impl Filter {
    /// Whether it takes every instance.
    pub fn is_open(&self) -> bool {
        let Self { tags, metadata, version, zone, region, health, eligible } = self;
        tags.is_empty()
            && metadata.is_empty()
            && version.is_none()
            && zone.is_none()
            && region.is_none()
            && health.is_none()
            && eligible.is_none()
    }

    pub fn takes(&self, instance: &Instance) -> bool {
        let record = &instance.record;
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        self.tags.iter().all(|tag| record.tags.contains(tag.as_str()))
            && self.metadata.iter().all(|(key, value)| record.metadata.get(key) == Some(value))
            && self.version.as_ref().is_none_or(|wanted| {
                record.version.as_ref().is_some_and(|version| wanted.matches(version))
            })
            && is(&self.zone, &record.zone)
            && is(&self.region, &record.region)
            && self.health.is_none_or(|health| instance.health.status == health)
            && self.eligible.is_none_or(|eligible| instance.is_eligible() == eligible)
    }
}
