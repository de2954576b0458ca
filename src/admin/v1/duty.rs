//! `/v1/services/{service}/instances/{instance}/maintenance`: out of service, and back.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::Api;
use super::convert::text;
use super::instance_view::InstanceView;
use super::instances::answer;
use crate::admin::auth::{Caller, InstanceRegistrar};
use crate::admin::conditions::Condition;
use crate::admin::input::{At, Body, InstancePath, MAX_TEXT_BYTES, Mistakes};
use crate::admin::problem::Problem;
use crate::model::Duty;
use crate::registry::{Change, Request};

/// Why something is in maintenance.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MaintenanceBody {
    /// For people.
    #[serde(default)]
    #[schema(max_length = 512)]
    pub reason: String,
}

impl MaintenanceBody {
    pub fn convert(self, mistakes: &mut Mistakes) -> Option<Duty> {
        let reason = text(self.reason, MAX_TEXT_BYTES, &At::ROOT.key("reason"), mistakes)?;
        Some(Duty::Maintenance { reason })
    }
}

/// Take an instance out of service until it is called back.
#[utoipa::path(
    put,
    path = "/v1/services/{service}/instances/{instance}/maintenance",
    operation_id = "begin_maintenance",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace, super::openapi::OnCondition),
    request_body = MaintenanceBody,
    responses((status = 200, body = InstanceView))
)]
pub(super) async fn maintain(
    State(api): State<Api>,
    InstanceRegistrar { caller, path }: InstanceRegistrar,
    condition: Condition,
    body: Body<MaintenanceBody>,
) -> Result<Response, Problem> {
    let duty = body.convert(MaintenanceBody::convert)?;
    set(&api, &caller, path, condition, duty).await
}

/// Call an instance back into service.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}/instances/{instance}/maintenance",
    operation_id = "end_maintenance",
    tag = "instances",
    params(super::openapi::OfInstance, super::openapi::InNamespace, super::openapi::OnCondition),
    responses((status = 200, body = InstanceView))
)]
pub(super) async fn call_back(
    State(api): State<Api>,
    InstanceRegistrar { caller, path }: InstanceRegistrar,
    condition: Condition,
) -> Result<Response, Problem> {
    set(&api, &caller, path, condition, Duty::Active).await
}

async fn set(
    api: &Api,
    caller: &Caller,
    path: InstancePath,
    condition: Condition,
    duty: Duty,
) -> Result<Response, Problem> {
    let InstancePath { service, instance } = path;
    let exists = api.registry.snapshot().instance(&service, &instance).map(|known| known.index);
    let request = Request {
        change: Change::SetDuty(service, instance, duty),
        author: caller.author(),
        expected: condition.expected(exists),
    };
    Ok(answer(StatusCode::OK, &api.registry.apply(request).await?))
}
