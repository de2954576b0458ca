//! How well services are, and why.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::cursor::{cursor_of, key_of, page_size};
use super::instance_view::HealthView;
use super::service_view::Counts;
use super::words::{DutyWord, HealthWord};
use crate::admin::auth::Viewer;
use crate::admin::input::{At, Query, ServicePath, from_text};
use crate::admin::problem::Problem;
use crate::model::{HealthStatus, Namespace, ServiceKey};
use crate::registry::{RegistryError, ServiceView as Known};

/// How well a service is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceHealth {
    pub namespace: String,
    pub service: String,
    pub status: HealthWord,
    /// Why, for people.
    pub reason: String,
    pub instances: Counts,
    /// Those that are not passing, or not active.
    pub unwell: Vec<InstanceHealth>,
    pub index: u64,
}

/// How well an instance is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InstanceHealth {
    pub id: String,
    pub duty: DutyWord,
    pub eligible: bool,
    pub health: HealthView,
}

/// How well all services are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RegistryHealth {
    /// So many heart-beats stay away at once that the registry suspects itself, and keeps everybody.
    pub self_preserving: bool,
    pub items: Vec<ServiceHealth>,
    /// For the parameter `after` of the next request; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub index: u64,
}

/// A service is as well as it can serve: critical when nobody may be given requests.
fn judge(counts: Counts) -> (HealthStatus, String) {
    let Counts { total, eligible, warning, critical, .. } = counts;
    let out = total - eligible;
    match (total, eligible) {
        (0, _) => (HealthStatus::Critical, "it has no instances".to_owned()),
        (_, 0) => {
            (HealthStatus::Critical, format!("none of {total} instances may be given requests"))
        }
        _ if out > 0 => (
            HealthStatus::Warning,
            format!("{out} of {total} instances are out, {critical} of them critical"),
        ),
        _ if warning > 0 => {
            (HealthStatus::Warning, format!("{warning} of {total} instances are warning"))
        }
        _ => (HealthStatus::Passing, format!("{total} of {total} instances are passing")),
    }
}

fn health(key: &ServiceKey, service: &Known) -> ServiceHealth {
    let counts = Counts::of(service);
    let (status, reason) = judge(counts);
    let unwell = service.instances.values().filter(|instance| {
        instance.health.status != HealthStatus::Passing || !instance.is_eligible()
    });
    let unwell = unwell.map(|instance| InstanceHealth {
        id: instance.record.id.to_string(),
        duty: (&instance.duty).into(),
        eligible: instance.is_eligible(),
        health: HealthView::of(&instance.health),
    });
    ServiceHealth {
        namespace: key.namespace.to_string(),
        service: key.name.to_string(),
        status: status.into(),
        reason,
        instances: counts,
        unwell: unwell.collect(),
        index: service.index,
    }
}

/// Ask how well a service is.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/health",
    operation_id = "service_health",
    tag = "health",
    params(super::openapi::OfService, super::openapi::InNamespace),
    responses((status = 200, body = ServiceHealth))
)]
pub(super) async fn of_service(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(key): ServicePath,
) -> Result<Json<ServiceHealth>, Problem> {
    let snapshot = api.registry.snapshot();
    let service = snapshot.services.get(&key);
    let service = service.ok_or_else(|| RegistryError::NoService(key.clone()))?;
    Ok(Json(health(&key, service)))
}

/// Which services.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// All if absent.
    namespace: Option<String>,
    #[param(inline)]
    status: Option<HealthWord>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    #[serde(deserialize_with = "from_text")]
    limit: Option<usize>,
}

/// Ask how well all services are.
#[utoipa::path(
    get,
    path = "/v1/health",
    operation_id = "health",
    tag = "health",
    params(Wanted),
    responses((status = 200, body = RegistryHealth))
)]
pub(super) async fn of_all(
    State(api): State<Api>,
    _: Viewer,
    Query(wanted, mut mistakes): Query<Wanted>,
) -> Result<Json<RegistryHealth>, Problem> {
    let Wanted { namespace, status, after, limit } = wanted;
    let at = At::ROOT;
    let limit = page_size(limit, &mut mistakes);
    let namespace =
        namespace.and_then(|text| mistakes.take(&at.key("namespace"), Namespace::new(&text)));
    let after = after.and_then(|cursor| mistakes.take(&at.key("after"), key_of(&cursor)));
    mistakes.or(Some(()))?;
    let snapshot = api.registry.snapshot();
    let begin = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let mut items: Vec<ServiceHealth> = Vec::new();
    let (mut last, mut next) = (None, None);
    for (key, service) in snapshot.services.range((begin, std::ops::Bound::Unbounded)) {
        if namespace.as_ref().is_some_and(|namespace| key.namespace != *namespace) {
            continue;
        }
        if status.is_some_and(|status| HealthWord::from(judge(Counts::of(service)).0) != status) {
            continue;
        }
        if items.len() == limit {
            next = last.map(cursor_of);
            break;
        }
        items.push(health(key, service));
        last = Some(key);
    }
    Ok(Json(RegistryHealth {
        self_preserving: snapshot.self_preserving,
        items,
        next,
        index: snapshot.index,
    }))
}
