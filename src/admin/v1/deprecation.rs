//! Versions that ought not to be used any more: as JSON, and as headers (RFC 9745, RFC 8594).

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::convert::text;
use super::words::{moment, rfc3339};
use crate::admin::input::{At, MAX_TEXT_BYTES, Mistakes};
use crate::model::{Deprecation, InstanceRecord, ServiceRecord, UnixMillis};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// Versions of a service that ought not to be used any more.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct DeprecationView {
    /// Which versions.
    pub versions: String,
    /// Since when, or from when on.
    #[schema(format = DateTime)]
    pub since: String,
    /// When they will stop working, if that is known.
    #[schema(format = DateTime)]
    pub sunset: Option<String>,
    /// Why.
    pub reason: String,
    /// What to use instead; empty when nobody said.
    pub replacement: String,
}

/// Says that versions ought not to be used any more.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeprecationBody {
    /// Which versions: a requirement such as `<2`.
    #[schema(min_length = 1, max_length = 512, example = "<2")]
    pub versions: String,
    /// Since when, or from when on; now, if absent.
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// When they will stop working.
    #[schema(format = DateTime)]
    pub sunset: Option<String>,
    /// Why, for people.
    #[schema(max_length = 512)]
    #[serde(default)]
    pub reason: String,
    /// What to use instead, for people.
    #[schema(max_length = 512)]
    #[serde(default)]
    pub replacement: String,
}

impl DeprecationView {
    pub fn of(deprecation: &Deprecation) -> Self {
        let Deprecation { versions, since, sunset, reason, replacement } = deprecation;
        Self {
            versions: versions.to_string(),
            since: rfc3339(*since),
            sunset: sunset.map(rfc3339),
            reason: reason.clone(),
            replacement: replacement.clone(),
        }
    }

    pub fn of_instance(record: &InstanceRecord, service: &ServiceRecord) -> Option<Self> {
        deprecation_of(record, service).map(Self::of)
    }
}

/// Why an instance's version ought not to be used.
pub(super) fn deprecation_of<'a>(
    record: &InstanceRecord,
    service: &'a ServiceRecord,
) -> Option<&'a Deprecation> {
    let version = record.version.as_ref()?;
    service.deprecations.iter().find(|deprecation| deprecation.versions.matches(version))
}

/// Tells of what is deprecated among what is answered: since the earliest, until the first sunset.
pub(super) fn announce<'a>(
    headers: &mut HeaderMap,
    deprecations: impl Iterator<Item = &'a Deprecation> + Clone,
) {
    if let Some(since) = deprecations.clone().map(|deprecation| deprecation.since).min()
        && let Ok(value) = HeaderValue::from_str(&format!("@{}", since.0 / 1000))
    {
        headers.insert(DEPRECATION, value);
    }
    if let Some(UnixMillis(sunset)) =
        deprecations.filter_map(|deprecation| deprecation.sunset).min()
    {
        let moment = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(sunset));
        // Beyond the year 9999 there is no such date.
        let text = moment.filter(|_| sunset / 1000 < MAX_HTTP_DATE).map(httpdate::fmt_http_date);
        if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(SUNSET, value);
        }
    }
}

/// Seconds since 1970 that an HTTP date can still tell.
const MAX_HTTP_DATE: u64 = 253_402_300_800;

impl DeprecationBody {
    pub fn convert(self, now: UnixMillis, mistakes: &mut Mistakes) -> Option<Deprecation> {
        let at = &At::ROOT;
        let Self { versions, since, sunset, reason, replacement } = self;
        let versions = mistakes.take(&at.key("versions"), super::convert::requirement(&versions));
        let since = match since {
            None => Some(now),
            Some(since) => mistakes.take(&at.key("since"), moment(&since)),
        };
        let sunset = match sunset {
            None => Some(None),
            Some(sunset) => mistakes.take(&at.key("sunset"), moment(&sunset)).map(Some),
        };
        let reason = text(reason, MAX_TEXT_BYTES, &at.key("reason"), mistakes);
        let replacement = text(replacement, MAX_TEXT_BYTES, &at.key("replacement"), mistakes);
        Some(Deprecation {
            versions: versions?,
            since: since?,
            sunset: sunset?,
            reason: reason?,
            replacement: replacement?,
        })
    }
}
