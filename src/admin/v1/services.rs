//! `/v1/services`.

use std::ops::Bound;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::cursor::{Page, cursor_of, key_of, page_size};
use super::deprecation::announce;
use super::service_body::ServiceBody;
use super::service_view::ServiceView;
use super::words::HealthWord;
use super::{Api, INDEX};
use crate::admin::auth::{Caller, Operator, Viewer};
use crate::admin::conditions::{Condition, etag, unless_known};
use crate::admin::input::{At, Body, Query, ServicePath, Several, from_text};
use crate::admin::problem::Problem;
use crate::model::{HealthStatus, Namespace, ServiceKey, ServiceName, ServiceRecord};
use crate::registry::{Applied, Change, RegistryError, Request, ServiceView as Known};

/// Tries of a change that meets another writer, where the client made no condition.
const EDIT_TRIES: usize = 8;

/// In every namespace.
const ANY_NAMESPACE: &str = "*";

/// No name comes before it.
const LEAST_NAME: &str = "-";

/// Which services to list; all conditions hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `default` if absent; `*` = all.
    namespace: Option<String>,
    group: Option<String>,
    kind: Option<String>,
    owner: Option<String>,
    /// Those that have all of these.
    #[param(value_type = Option<Vec<String>>)]
    tag: Several,
    /// Those with an instance that is so.
    #[param(inline)]
    health: Option<HealthWord>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    #[serde(deserialize_with = "from_text")]
    limit: Option<usize>,
}

impl Wanted {
    fn takes(&self, service: &Known, tags: &[String]) -> bool {
        let record = &service.record;
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
        let health = |status: HealthStatus| {
            service.instances.values().any(|instance| instance.health.status == status)
        };
        is(&self.group, record.group.as_ref().map_or("", |group| group.as_str()))
            && is(&self.kind, &record.kind)
            && is(&self.owner, &record.owner)
            && tags.iter().all(|tag| record.tags.contains(tag.as_str()))
            && self.health.is_none_or(|word| health(word.into()))
    }
}

/// List services.
#[utoipa::path(
    get,
    path = "/v1/services",
    operation_id = "list_services",
    tag = "services",
    params(Wanted),
    responses((status = 200, body = Page<ServiceView>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
    Query(mut wanted, mut mistakes): Query<Wanted>,
) -> Result<Json<Page<ServiceView>>, Problem> {
    let at = At::ROOT;
    let limit = page_size(wanted.limit, &mut mistakes);
    let after = wanted.after.take().map(|cursor| mistakes.take(&at.key("after"), key_of(&cursor)));
    let namespace = match wanted.namespace.as_deref() {
        Some(ANY_NAMESPACE) => None,
        None => Some(Namespace::default_one()),
        Some(text) => mistakes.take(&at.key("namespace"), Namespace::new(text)),
    };
    let after = after.flatten();
    mistakes.or(Some(()))?;
    let tags = std::mem::take(&mut wanted.tag).into_vec();

    let snapshot = api.registry.snapshot();
    let first = |namespace: &Namespace| {
        let name = ServiceName::new(LEAST_NAME).ok()?;
        Some(ServiceKey { namespace: namespace.clone(), name })
    };
    let begin = match after {
        Some(key) => Bound::Excluded(key),
        None => namespace.as_ref().and_then(first).map_or(Bound::Unbounded, Bound::Included),
    };
    let mut items = Vec::new();
    let (mut last, mut next) = (None, None);
    let in_namespace = |key: &ServiceKey| namespace.as_ref().is_none_or(|n| key.namespace == *n);
    let range = snapshot.services.range((begin, Bound::Unbounded));
    let wanted = range
        .take_while(|(key, _)| in_namespace(key))
        .filter(|(_, service)| wanted.takes(service, &tags));
    for (_, service) in wanted {
        if items.len() == limit {
            next = last.map(cursor_of);
            break;
        }
        items.push(ServiceView::of(service));
        last = Some(&service.record.key);
    }
    Ok(Json(Page { items, next, index: snapshot.index }))
}

/// Look at a service.
#[utoipa::path(
    get,
    path = "/v1/services/{service}",
    operation_id = "get_service",
    tag = "services",
    params(super::openapi::OfService, super::openapi::InNamespace),
    responses((status = 200, body = ServiceView), (status = 304, description = "It is as you know it"))
)]
pub(super) async fn get(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(key): ServicePath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = api.registry.snapshot();
    let service = snapshot.services.get(&key).ok_or(RegistryError::NoService(key))?;
    let mut response =
        unless_known(&headers, service.index, || Json(ServiceView::of(service)).into_response());
    announce(response.headers_mut(), service.record.deprecations.iter());
    Ok(response)
}

/// Describe a service, or describe it anew.
#[utoipa::path(
    put,
    path = "/v1/services/{service}",
    operation_id = "describe_service",
    tag = "services",
    params(super::openapi::OfService, super::openapi::InNamespace, super::openapi::OnCondition),
    request_body = ServiceBody,
    responses((status = 200, body = ServiceView), (status = 201, body = ServiceView))
)]
pub(super) async fn describe(
    State(api): State<Api>,
    Operator(caller): Operator,
    ServicePath(key): ServicePath,
    condition: Condition,
    body: Body<ServiceBody>,
) -> Result<Response, Problem> {
    let checks = api.checks.load();
    let record =
        body.convert(|body, mistakes| body.convert(key.clone(), Vec::new(), &checks, mistakes))?;
    let applied = edit(&api, &key, condition, &caller, |known| {
        let deprecations = known.map(|known| known.record.deprecations.clone()).unwrap_or_default();
        Ok(ServiceRecord { deprecations, ..record.clone() })
    });
    edited(applied.await?, key)
}

/// Describes a service, as made of what is known of it at that moment. Where the client made no condition
/// it is made anew when another writer was faster.
pub(super) async fn edit(
    api: &Api,
    key: &ServiceKey,
    condition: Condition,
    caller: &Caller,
    make: impl Fn(Option<&Known>) -> Result<ServiceRecord, Problem>,
) -> Result<Applied, Problem> {
    let mut tries = EDIT_TRIES;
    loop {
        let snapshot = api.registry.snapshot();
        let known = snapshot.services.get(key).map(|known| &**known);
        let read_at = known.map(|known| known.index);
        let expected = condition.expected(read_at).or(read_at);
        let change = Change::DescribeService(make(known)?);
        let request = Request { change, author: caller.author(), expected };
        tries -= 1;
        match api.registry.apply(request).await {
            Err(RegistryError::Conflict { .. }) if condition == Condition::None && tries > 0 => {}
            applied => return Ok(applied?),
        }
    }
}

/// The service after a change of its description.
pub(super) fn edited(applied: Applied, key: ServiceKey) -> Result<Response, Problem> {
    let service = applied.service.ok_or(RegistryError::NoService(key))?;
    let status = if applied.created { StatusCode::CREATED } else { StatusCode::OK };
    let headers = [(header::ETAG, etag(service.index)), (INDEX, index(applied.index))];
    Ok((status, headers, Json(ServiceView::of(&service))).into_response())
}

/// Forget a service's description.
///
/// Its instances stay, and it with them; without any it is gone.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}",
    operation_id = "forget_service",
    tag = "services",
    params(super::openapi::OfService, super::openapi::InNamespace, super::openapi::OnCondition),
    responses((status = 204, description = "It is forgotten"))
)]
pub(super) async fn forget(
    State(api): State<Api>,
    Operator(caller): Operator,
    ServicePath(key): ServicePath,
    condition: Condition,
) -> Result<Response, Problem> {
    let exists = api.registry.snapshot().services.get(&key).map(|service| service.index);
    let request = Request {
        change: Change::ForgetService(key),
        author: caller.author(),
        expected: condition.expected(exists),
    };
    let applied = api.registry.apply(request).await?;
    Ok((StatusCode::NO_CONTENT, [(INDEX, index(applied.index))]).into_response())
}

/// An index as a header's value.
pub(super) fn index(index: u64) -> axum::http::HeaderValue {
    index.into()
}
