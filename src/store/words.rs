//! How names, duties and numbers stand in columns, the same for each database.

use super::form::Unfit;
use crate::model::{Duty, InvalidName, Namespace, ServiceKey, ServiceName};

const ACTIVE: &str = "active";
const MAINTENANCE: &str = "maintenance";
const DRAINING: &str = "draining";

pub(super) fn service_key(namespace: &str, name: &str) -> Result<ServiceKey, InvalidName> {
    Ok(ServiceKey { namespace: Namespace::new(namespace)?, name: ServiceName::new(name)? })
}

/// A duty's word and reason.
pub(super) fn duty_words(duty: &Duty) -> (&'static str, &str) {
    match duty {
        Duty::Active => (ACTIVE, ""),
        Duty::Maintenance { reason } => (MAINTENANCE, reason),
        Duty::Draining => (DRAINING, ""),
    }
}

pub(super) fn duty_of(word: &str, reason: &str) -> Result<Duty, Unfit> {
    match word {
        ACTIVE => Ok(Duty::Active),
        MAINTENANCE => Ok(Duty::Maintenance { reason: reason.to_owned() }),
        DRAINING => Ok(Duty::Draining),
        _ => Err(Unfit::Word { what: "duty", found: word.to_owned() }),
    }
}

/// Indexes and moments: databases have no unsigned numbers, and these never get so large.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
