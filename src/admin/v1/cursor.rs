//! Pages: where one ends, and the next begins.

use serde::Serialize;
use utoipa::ToSchema;

use crate::admin::input::{At, DEFAULT_PAGE, MAX_PAGE, Mistakes};
use crate::model::{Namespace, ServiceKey, ServiceName};

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    /// For the parameter `after` of the next request; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Of the newest change that this shows.
    pub index: u64,
}

/// How many to put on a page.
pub(super) fn page_size(limit: Option<usize>, mistakes: &mut Mistakes) -> usize {
    match limit {
        None => DEFAULT_PAGE,
        Some(limit) if (1..=MAX_PAGE).contains(&limit) => limit,
        Some(_) => {
            mistakes
                .add(&At::ROOT.key("limit"), format!("will not do; allowed are 1 to {MAX_PAGE}"));
            DEFAULT_PAGE
        }
    }
}

/// Neither name may have it.
const BETWEEN: char = '~';

/// A service's key as a cursor.
pub(super) fn cursor_of(key: &ServiceKey) -> String {
    format!("{}{BETWEEN}{}", key.namespace, key.name)
}

/// The service's key that a cursor stands for.
pub(super) fn key_of(cursor: &str) -> Result<ServiceKey, &'static str> {
    let bad = "is no cursor: send `next` of the page before";
    let (namespace, name) = cursor.split_once(BETWEEN).ok_or(bad)?;
    let namespace = Namespace::new(namespace).map_err(|_| bad)?;
    Ok(ServiceKey { namespace, name: ServiceName::new(name).map_err(|_| bad)? })
}
