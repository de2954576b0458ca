//! `/v1/services/{service}/instances`: registration, and one instance at a time.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::deprecation::{announce, deprecation_of};
use super::instance_body::InstanceBody;
use super::instance_view::InstanceView;
use super::services::index;
use super::{Api, INDEX, now};
use crate::admin::auth::{InstanceRegistrar, ServiceRegistrar, Viewer};
use crate::admin::conditions::{Condition, etag, unless_known};
use crate::admin::input::{Body, InstancePath, Mistakes, decode_value, json_value};
use crate::admin::problem::Problem;
use crate::model::{InstanceId, InstanceRecord};
use crate::registry::{Applied, Change, Registry, RegistryError, Request};

/// Tries of a patch that meets another writer, where the client made no condition.
const PATCH_TRIES: usize = 8;

/// Random digits of an id that the proxy gives.
const ID_DIGITS: usize = 16;

/// Media types of a patch.
const PATCH_KINDS: [&str; 2] = ["application/merge-patch+json", "application/json"];

/// Look at an instance, with its heart-beats and load.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/instances/{instance}",
    operation_id = "get_instance",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace),
    responses((status = 200, body = InstanceView), (status = 304, description = "It is as you know it"))
)]
pub(super) async fn get(
    State(api): State<Api>,
    _: Viewer,
    path: InstancePath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let InstancePath { service: key, instance: id } = path;
    let snapshot = api.registry.snapshot();
    let service =
        snapshot.services.get(&key).ok_or_else(|| RegistryError::NoService(key.clone()))?;
    let instance = service.instances.get(&id).ok_or(RegistryError::NoInstance(key, id))?;
    let mut response = unless_known(&headers, instance.index, || {
        let view = InstanceView::of(instance, &service.record).with_vitals(instance, now());
        Json(view).into_response()
    });
    announce(response.headers_mut(), deprecation_of(&instance.record, &service.record).into_iter());
    Ok(response)
}

/// Register an instance under an id that it knows itself by; one that is there is updated.
#[utoipa::path(
    put,
    path = "/v1/services/{service}/instances/{instance}",
    operation_id = "register_instance",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace, super::openapi::OnCondition),
    request_body = InstanceBody,
    responses((status = 200, body = InstanceView), (status = 201, body = InstanceView))
)]
pub(super) async fn register(
    State(api): State<Api>,
    InstanceRegistrar { caller, path }: InstanceRegistrar,
    condition: Condition,
    body: Body<InstanceBody>,
) -> Result<Response, Problem> {
    let InstancePath { service, instance } = path;
    let exists = api.registry.snapshot().instance(&service, &instance).map(|known| known.index);
    let checks = api.checks.load();
    let record =
        body.convert(|body, mistakes| body.convert(service, instance, &checks, mistakes))?;
    let request = Request {
        change: Change::Register(record),
        author: caller.author(),
        expected: condition.expected(exists),
    };
    registered(api.registry.apply(request).await?)
}

/// Register an instance under an id that the proxy gives it.
#[utoipa::path(
    post,
    path = "/v1/services/{service}/instances",
    operation_id = "register_new_instance",
    tag = "instances",
    params(super::openapi::OfService, super::openapi::InNamespace),
    request_body = InstanceBody,
    responses((status = 201, body = InstanceView, headers(("Location" = String))))
)]
pub(super) async fn register_new(
    State(api): State<Api>,
    ServiceRegistrar { caller, service }: ServiceRegistrar,
    body: Body<InstanceBody>,
) -> Result<Response, Problem> {
    let digits: String = (0..ID_DIGITS).map(|_| fastrand::choice(HEX).unwrap_or('0')).collect();
    let id =
        InstanceId::new(&format!("i-{digits}")).map_err(|e| Problem::not_found(e.to_string()))?;
    let checks = api.checks.load();
    let location = format!(
        "/v1/services/{}/instances/{id}?namespace={}",
        encoded(service.name.as_str()),
        encoded(service.namespace.as_str())
    );
    let record = body.convert(|body, mistakes| body.convert(service, id, &checks, mistakes))?;
    let request = Request {
        change: Change::Register(record),
        author: caller.author(),
        expected: Some(0), // should the id be taken, against all odds
    };
    let response = registered(api.registry.apply(request).await?)?;
    Ok(([(header::LOCATION, location)], response).into_response())
}

const HEX: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Change some of what an instance said about itself (RFC 7396): `null` takes a value away.
#[utoipa::path(
    patch,
    path = "/v1/services/{service}/instances/{instance}",
    operation_id = "patch_instance",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace, super::openapi::OnCondition),
    request_body(content = Object, content_type = "application/merge-patch+json"),
    responses((status = 200, body = InstanceView))
)]
pub(super) async fn patch(
    State(api): State<Api>,
    InstanceRegistrar { caller, path }: InstanceRegistrar,
    condition: Condition,
    request: axum::extract::Request,
) -> Result<Response, Problem> {
    let patch = json_value(request, &api, &PATCH_KINDS).await?;
    let InstancePath { service, instance } = path;
    let mut tries = PATCH_TRIES;
    loop {
        let known = api.registry.snapshot().instance(&service, &instance).cloned();
        let known =
            known.ok_or_else(|| RegistryError::NoInstance(service.clone(), instance.clone()))?;
        let record = patched(&known.record, &patch, &api)?;
        let expected = condition.expected(Some(known.index)).or(Some(known.index));
        let request =
            Request { change: Change::Register(record), author: caller.author(), expected };
        tries -= 1;
        match api.registry.apply(request).await {
            Err(RegistryError::Conflict { .. }) if condition == Condition::None && tries > 0 => {}
            applied => return registered(applied?),
        }
    }
}

/// A record with a patch applied.
fn patched(record: &InstanceRecord, patch: &Value, api: &Api) -> Result<InstanceRecord, Problem> {
    let mut mistakes = Mistakes::of_body();
    if !patch.is_object() {
        mistakes.add_at(String::new(), "is no object".to_owned());
        return Err(mistakes.into_problem());
    }
    let mut document = serde_json::to_value(InstanceBody::of(record)).unwrap_or_default();
    merge(&mut document, patch);
    let keeps_checks = patch.get("checks").is_none();
    let checks = api.checks.load();
    let changed = decode_value::<InstanceBody>(document, &mut mistakes).and_then(|body| {
        body.convert(record.service.clone(), record.id.clone(), &checks, &mut mistakes)
    });
    let mut changed = mistakes.or(changed)?;
    if keeps_checks {
        changed.checks.clone_from(&record.checks);
    }
    Ok(changed)
}

/// RFC 7396. As deep as the parser lets a document be.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(entries) = target.as_object_mut() else { return };
    for (key, change) in changes {
        match change {
            Value::Null => _ = entries.remove(key),
            change => merge(entries.entry(key.as_str()).or_insert(Value::Null), change),
        }
    }
}

/// Take an instance out: no new requests, and it leaves when those in flight are done.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}/instances/{instance}",
    operation_id = "deregister_instance",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace, super::openapi::OnCondition),
    responses((status = 202, body = InstanceView), (status = 204, description = "It is gone"))
)]
pub(super) async fn deregister(
    State(api): State<Api>,
    InstanceRegistrar { caller, path }: InstanceRegistrar,
    condition: Condition,
) -> Result<Response, Problem> {
    let InstancePath { service, instance } = path;
    let exists = api.registry.snapshot().instance(&service, &instance).map(|known| known.index);
    let request = Request {
        change: Change::Deregister(service, instance),
        author: caller.author(),
        expected: condition.expected(exists),
    };
    let applied = api.registry.apply(request).await?;
    Ok(answer(StatusCode::ACCEPTED, &applied))
}

fn registered(applied: Applied) -> Result<Response, Problem> {
    let status = if applied.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, &applied))
}

/// The instance after a change; 204 where there is none any more.
pub(super) fn answer(status: StatusCode, applied: &Applied) -> Response {
    let changed = [(INDEX, index(applied.index))];
    match (&applied.instance, &applied.service) {
        (Some(instance), Some(service)) => {
            let view = InstanceView::of(instance, &service.record).with_vitals(instance, now());
            (status, changed, [(header::ETAG, etag(instance.index))], Json(view)).into_response()
        }
        _ => (StatusCode::NO_CONTENT, changed).into_response(),
    }
}

/// Makes an unconditional change on behalf of somebody.
pub(super) async fn apply(
    registry: &Registry,
    change: Change,
    caller: &crate::admin::auth::Caller,
) -> Result<Applied, RegistryError> {
    registry.apply(Request { change, author: caller.author(), expected: None }).await
}
