//! The event log: queried, waited for, or followed.

use std::collections::VecDeque;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::cursor::page_size;
use super::services::index;
use super::wait::{jittered, wait};
use super::watch::{HEART_BEAT, last_event_id, seat, sse};
use super::words::rfc3339;
use super::{Api, INDEX};
use crate::admin::auth::Viewer;
use crate::admin::input::{At, Mistakes, Query, from_text, index_from_text};
use crate::admin::problem::Problem;
use crate::config::Time;
use crate::registry::{EventKind, Index};
use crate::store::StoredEvent;

/// Events that are read from the log at once.
const CHUNK: usize = 1000;

/// Something that happened to an instance, a service, or the registry.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    pub index: u64,
    #[schema(format = DateTime)]
    pub at: String,
    /// `registered`, `updated`, `draining`, `maintenance`, `activated`, `deregistered`, `health`,
    /// `described`, `forgotten`, `self-preservation` or `panic`.
    pub kind: String,
    pub namespace: Option<String>,
    pub service: Option<String>,
    pub instance: Option<String>,
    /// For people.
    pub message: String,
}

/// Events in the order in which they happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventsView {
    pub items: Vec<EventView>,
    /// For `since` of the next question.
    pub index: u64,
}

impl EventView {
    fn of(event: StoredEvent) -> Self {
        let StoredEvent { index, at, kind, service, instance, message } = event;
        let (namespace, service) = match service {
            Some(key) => (Some(key.namespace.to_string()), Some(key.name.to_string())),
            None => (None, None),
        };
        let instance = instance.map(|id| id.to_string());
        Self { index, at: rfc3339(at), kind, namespace, service, instance, message }
    }
}

/// Which events; all conditions hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Any if absent.
    namespace: Option<String>,
    service: Option<String>,
    instance: Option<String>,
    kind: Option<String>,
    /// After the event with this index; absent = the newest.
    #[param(value_type = Option<u64>, maximum = 9007199254740991u64)]
    #[serde(deserialize_with = "index_from_text")]
    since: Option<u64>,
    /// Wait so long for an event after `since`, if there is none yet.
    #[param(value_type = Option<String>, pattern = "^([0-9]{1,9}(us|ms|s|m|h))+$")]
    wait: Option<Time>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    #[serde(deserialize_with = "from_text")]
    limit: Option<usize>,
}

impl Wanted {
    fn check(&self, mistakes: &mut Mistakes) {
        if let Some(kind) = &self.kind
            && !EventKind::ALL.iter().any(|known| known.as_str() == kind)
        {
            let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            mistakes.add(&At::ROOT.key("kind"), format!("is none of {}", known.join(", ")));
        }
    }

    fn takes(&self, event: &StoredEvent) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        let key = event.service.as_ref();
        is(&self.namespace, key.map(|key| key.namespace.as_str()))
            && is(&self.service, key.map(|key| key.name.as_str()))
            && is(&self.instance, event.instance.as_ref().map(|id| id.as_str()))
            && is(&self.kind, Some(&event.kind))
    }
}

/// Look into the event log.
///
/// 410 means that events after `since` are forgotten already.
#[utoipa::path(
    get,
    path = "/v1/events",
    operation_id = "list_events",
    tag = "events",
    params(Wanted),
    responses((status = 200, body = EventsView))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
    Query(wanted, mut mistakes): Query<Wanted>,
) -> Result<Response, Problem> {
    wanted.check(&mut mistakes);
    let limit = page_size(wanted.limit, &mut mistakes);
    let waits = wanted.wait.is_some().then_some(wanted.since).flatten();
    let waits = wait(waits, wanted.wait, &mut mistakes);
    mistakes.or(Some(()))?;
    if let Some(wait) = waits {
        let _seat = seat(&api)?;
        let found = async {
            let mut after = wait.above;
            loop {
                api.registry.event_after(after).await;
                // What is forgotten is told below.
                let Ok(events) = api.registry.events(after, CHUNK) else { return };
                if events.iter().any(|event| wanted.takes(event)) {
                    return;
                }
                after = events.last().map_or(after, |event| event.index);
            }
        };
        let _ = timeout(wait.patience, found).await;
    }
    let page = match wanted.since {
        None => newest(&api, &wanted, limit)?,
        Some(since) => after(&api, &wanted, since, limit)?,
    };
    let newest = page.index;
    Ok(([(INDEX, index(newest))], Json(page)).into_response())
}

fn gone(oldest: Index) -> Problem {
    let what =
        format!("events after `since` are forgotten; the oldest that is kept has index {oldest}");
    Problem::new(StatusCode::GONE, "forgotten", what).with(INDEX, &oldest.to_string())
}

fn newest(api: &Api, wanted: &Wanted, limit: usize) -> Result<EventsView, Problem> {
    let all = api.registry.events(0, usize::MAX).map_err(gone)?;
    let newest = all.last().map_or(0, |event| event.index);
    let found = all.into_iter().rev().filter(|event| wanted.takes(event)).take(limit);
    let mut items: Vec<_> = found.map(EventView::of).collect();
    items.reverse();
    Ok(EventsView { items, index: newest })
}

fn after(api: &Api, wanted: &Wanted, since: Index, limit: usize) -> Result<EventsView, Problem> {
    let mut page = EventsView { items: Vec::new(), index: since };
    loop {
        let events = api.registry.events(page.index, CHUNK).map_err(gone)?;
        if events.is_empty() {
            return Ok(page);
        }
        for event in events {
            if page.items.len() == limit {
                return Ok(page);
            }
            page.index = event.index;
            if wanted.takes(&event) {
                page.items.push(EventView::of(event));
            }
        }
    }
}

/// Follow the event log as server-sent events.
///
/// Each `id` is the event's index; with `Last-Event-ID` (or `since`) it goes on from there. An event `gap`
/// says that some are forgotten.
#[utoipa::path(
    get,
    path = "/v1/events/watch",
    operation_id = "watch_events",
    tag = "events",
    params(
        Wanted,
        ("Last-Event-ID" = Option<u64>, Header, description = "The `id` of the last event that was seen"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = EventView))
)]
pub(super) async fn watch(
    State(api): State<Api>,
    _: Viewer,
    Query(wanted, mut mistakes): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    wanted.check(&mut mistakes);
    mistakes.or(Some(()))?;
    let seat = seat(&api)?;
    let newest = api.registry.snapshot().index;
    let seen = last_event_id(&headers).or(wanted.since).map_or(newest, |seen| seen.min(newest));
    let follower = Follower { api, wanted, seen, waiting: VecDeque::new(), _seat: seat };
    Ok(sse(stream::unfold(follower, |mut follower| async move {
        let next = follower.next().await;
        Some((Ok(next), follower))
    })))
}

struct Follower {
    api: Api,
    wanted: Wanted,
    /// The index of the newest event that was read.
    seen: Index,
    waiting: VecDeque<StoredEvent>,
    _seat: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(&mut self) -> Bytes {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                let (index, kind) = (event.index, event.kind.clone());
                let data = serde_json::to_string(&EventView::of(event)).unwrap_or_default();
                return format!("id: {index}\nevent: {kind}\ndata: {data}\n\n").into();
            }
            match self.api.registry.events(self.seen, CHUNK) {
                Err(oldest) => {
                    self.seen = oldest.saturating_sub(1);
                    return format!("event: gap\ndata: {{\"oldest\":{oldest}}}\n\n").into();
                }
                Ok(events) => {
                    let Some(newest) = events.last().map(|event| event.index) else {
                        let more = self.api.registry.event_after(self.seen);
                        if timeout(jittered(HEART_BEAT), more).await.is_err() {
                            return Bytes::from_static(b":\n\n");
                        }
                        continue;
                    };
                    self.seen = newest;
                    let wanted = &self.wanted;
                    self.waiting.extend(events.into_iter().filter(|event| wanted.takes(event)));
                }
            }
        }
    }
}
