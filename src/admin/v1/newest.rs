//! Looking back, page by page: what happened, the newest first.

use axum::Json;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::cursor::page_size;
use super::words::moment;
use crate::admin::input::{At, Mistakes};
use crate::admin::problem::Problem;
use crate::model::UnixMillis;
use crate::store::{NewestFirst, StoreError};

/// What happened, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Newest<T> {
    pub items: Vec<T>,
    /// For `before` of the next request; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// The parameters that all who look back have in common: how far, and which page.
pub(super) fn look_back(
    since: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
    mistakes: &mut Mistakes,
) -> (Option<UnixMillis>, NewestFirst) {
    let limit = page_size(limit, mistakes);
    let since = since.map(|since| mistakes.take(&At::ROOT.key("since"), moment(&since)));
    (since.flatten(), NewestFirst { before, limit })
}

/// What the store found, as a page.
pub(super) fn shown<R, V: From<R>>(
    found: Result<Vec<R>, StoreError>,
    page: NewestFirst,
    place: impl Fn(&R) -> u64,
) -> Result<Json<Newest<V>>, Problem> {
    let found = found.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "store", error.to_string())
    })?;
    let next = found.last().filter(|_| found.len() == page.limit).map(place);
    Ok(Json(Newest { items: found.into_iter().map(V::from).collect(), next }))
}
