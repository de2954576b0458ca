//! Words and numbers that several resources have in common, as JSON has them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Duty, HealthStatus, Origin, UnixMillis};

/// How well an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum HealthWord {
    /// It takes requests.
    Passing,
    /// It takes requests, and somebody should look.
    Warning,
    /// It takes no requests.
    Critical,
}

/// What an operator wants of an instance, whatever its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum DutyWord {
    /// It takes requests while it is well.
    Active,
    /// It takes none until it is called back.
    Maintenance,
    /// It takes no new ones, and leaves when those in flight are done.
    Draining,
}

/// Where an instance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum OriginWord {
    /// The configuration file lists it.
    Configuration,
    /// It registered.
    Registration,
}

impl From<HealthStatus> for HealthWord {
    fn from(status: HealthStatus) -> Self {
        match status {
            HealthStatus::Passing => HealthWord::Passing,
            HealthStatus::Warning => HealthWord::Warning,
            HealthStatus::Critical => HealthWord::Critical,
        }
    }
}

impl From<HealthWord> for HealthStatus {
    fn from(word: HealthWord) -> Self {
        match word {
            HealthWord::Passing => HealthStatus::Passing,
            HealthWord::Warning => HealthStatus::Warning,
            HealthWord::Critical => HealthStatus::Critical,
        }
    }
}

impl From<&Duty> for DutyWord {
    fn from(duty: &Duty) -> Self {
        match duty {
            Duty::Active => DutyWord::Active,
            Duty::Maintenance { .. } => DutyWord::Maintenance,
            Duty::Draining => DutyWord::Draining,
        }
    }
}

impl From<Origin> for OriginWord {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::Configuration => OriginWord::Configuration,
            Origin::Registration => OriginWord::Registration,
        }
    }
}

/// A moment, as RFC 3339 has it.
pub(super) fn rfc3339(moment: UnixMillis) -> String {
    let millis = i64::try_from(moment.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// The moment that a text means; what is before 1970 is none.
pub(super) fn moment(text: &str) -> Result<UnixMillis, String> {
    let bad = "is no moment: write it like 2030-01-31T00:00:00Z";
    let moment: jiff::Timestamp = text.parse().map_err(|_| bad.to_owned())?;
    u64::try_from(moment.as_millisecond()).map(UnixMillis).map_err(|_| bad.to_owned())
}
