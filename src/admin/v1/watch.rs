//! `GET /v1/services/{service}/watch`: a service's states as server-sent events.
//!
//! Nobody is sent a state: a watcher's connection takes the newest one when it has room for it. So a
//! watcher never sees states out of order and never misses the last one, and a slow one costs nothing
//! until its connection is [cut off](crate::admin::stall).

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::Api;
use super::filter::{Filter, FilterQuery};
use super::state::ServiceState;
use super::wait::jittered;
use super::words::HealthWord;
use crate::admin::auth::Viewer;
use crate::admin::input::{Query, ServicePath, Several, from_text};
use crate::admin::problem::Problem;
use crate::model::ServiceKey;
use crate::registry::Index;

/// A comment is sent after so long without an event, so that both sides learn of a dead connection.
pub(super) const HEART_BEAT: Duration = Duration::from_secs(15);

const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// What a watcher holds; it is given back when its connection ends.
pub(super) fn seat(api: &Api) -> Result<OwnedSemaphorePermit, Problem> {
    api.watchers.clone().try_acquire_owned().map_err(|_| {
        let what = "as many clients watch as `[admin.limits] max_watchers` allows";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "watchers", what)
            .with(header::RETRY_AFTER, "5")
    })
}

/// Where an event stream goes on.
pub(super) fn last_event_id(headers: &HeaderMap) -> Option<Index> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    namespace: Option<String>,
    tag: Several,
    metadata: Several,
    version: Option<String>,
    zone: Option<String>,
    region: Option<String>,
    health: Option<HealthWord>,
    #[serde(deserialize_with = "from_text")]
    eligible: Option<bool>,
}

/// Watch a service: the first event is its state, each further one a later state.
///
/// The event's `id` is the state's index: a client that comes back with `Last-Event-ID` is told when there
/// is a later one.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/watch",
    operation_id = "watch_service",
    tag = "watching",
    params(
        super::openapi::OfService,
        FilterQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that was seen"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = ServiceState))
)]
pub(super) async fn watch(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(service): ServicePath,
    Query(wanted, mut mistakes): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Wanted { namespace, tag, metadata, version, zone, region, health, eligible } = wanted;
    let filter = FilterQuery { namespace, tag, metadata, version, zone, region, health, eligible };
    let filter = filter.convert(&mut mistakes);
    let filter = mistakes.or(filter)?;
    let seat = seat(&api)?;
    // An index from the future is from another registry's life: begin anew.
    let seen = last_event_id(&headers).filter(|&seen| seen <= api.registry.snapshot().index);
    Ok(events(Watcher { api, service, filter, seen, _seat: seat }))
}

struct Watcher {
    api: Api,
    service: ServiceKey,
    filter: Filter,
    /// The index of the last state that was sent.
    seen: Option<Index>,
    _seat: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next thing to send.
    async fn next(&mut self) -> Bytes {
        let registry = &self.api.registry;
        let snapshot = match self.seen {
            None => registry.snapshot(),
            Some(seen) => {
                let changed = registry.changed(&self.service, seen);
                let Ok(snapshot) = timeout(jittered(HEART_BEAT), changed).await else {
                    return COMMENT;
                };
                snapshot
            }
        };
        self.seen = Some(snapshot.index_of(&self.service));
        self.api.states.event(&snapshot, &self.service, &self.filter)
    }
}

fn events(watcher: Watcher) -> Response {
    sse(stream::unfold(watcher, |mut watcher| async move {
        let next = watcher.next().await;
        Some((Ok::<_, std::convert::Infallible>(next), watcher))
    }))
}

/// A stream of events as a response.
pub(super) fn sse<S>(events: S) -> Response
where
    S: futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static,
{
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        // For proxies in between that would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(events)).into_response()
}
