//! Records as the JSON that stands in a row, and back. Private to the store: the API has forms of its own.
//!
//! What a row says is checked like everything from outside; a field that this version does not know is an
//! error, for it would be lost with the next write.

mod alert;
mod check;
mod instance;
mod service;

use std::collections::BTreeSet;
use std::time::Duration;

pub(super) use alert::{alert_id, alert_json, alert_row, history_entry, history_json};
pub(super) use instance::{instance_json, instance_record};
pub(super) use service::{service_json, service_record};

use crate::alert::paging::MatcherError;
use crate::model::{InvalidName, InvalidWeight, ServiceKey, Tag, UnixMillis};

/// Why a row's JSON is no record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("its JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a name in it {0}")]
    Name(#[from] InvalidName),
    #[error("its weight {0}")]
    Weight(#[from] InvalidWeight),
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    #[error("a version in it: {0}")]
    Version(#[from] semver::Error),
    #[error("its {what} is `{found}`")]
    Word { what: &'static str, found: String },
}

/// `ServiceKey` as namespace and name.
type KeyForm = (String, String);

fn key_form(key: &ServiceKey) -> KeyForm {
    (key.namespace.to_string(), key.name.to_string())
}

fn key_of((namespace, name): &KeyForm) -> Result<ServiceKey, InvalidName> {
    crate::store::service_key(namespace, name)
}

fn tag_forms(tags: &BTreeSet<Tag>) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

fn tags_of(forms: &[String]) -> Result<BTreeSet<Tag>, InvalidName> {
    forms.iter().map(|form| Tag::new(form)).collect()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn millis(moment: UnixMillis) -> u64 {
    moment.0
}
