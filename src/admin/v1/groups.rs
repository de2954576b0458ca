//! Groups of services: operated on together.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::duty::MaintenanceBody;
use super::instances::apply;
use super::service_view::Counts;
use crate::admin::auth::{Caller, Operator, Viewer};
use crate::admin::input::{Body, GroupPath};
use crate::admin::problem::Problem;
use crate::model::{Duty, GroupName};
use crate::registry::Change;

/// A group by its name.
#[derive(serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what `GroupPath` reads")]
pub(super) struct OfGroup {
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    group: String,
}

/// Services that are operated on together.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupView {
    pub name: String,
    /// As `namespace/name`.
    pub services: Vec<String>,
    pub instances: Counts,
}

/// All groups.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupsView {
    pub items: Vec<GroupView>,
    pub index: u64,
}

/// What a change of a group came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupChanged {
    pub group: String,
    /// Instances that were changed.
    pub instances: usize,
    pub index: u64,
}

/// List groups of services.
#[utoipa::path(
    get,
    path = "/v1/groups",
    operation_id = "list_groups",
    tag = "groups",
    responses((status = 200, body = GroupsView))
)]
pub(super) async fn list(State(api): State<Api>, _: Viewer) -> Json<GroupsView> {
    let snapshot = api.registry.snapshot();
    let mut groups: BTreeMap<&GroupName, GroupView> = BTreeMap::new();
    for (key, service) in &snapshot.services {
        let Some(group) = &service.record.group else { continue };
        let view = groups.entry(group).or_insert_with(|| GroupView {
            name: group.to_string(),
            services: Vec::new(),
            instances: Counts::default(),
        });
        view.services.push(key.to_string());
        view.instances.add(Counts::of(service));
    }
    Json(GroupsView { items: groups.into_values().collect(), index: snapshot.index })
}

/// Take all instances of a group out of service until they are called back.
#[utoipa::path(
    put,
    path = "/v1/groups/{group}/maintenance",
    operation_id = "begin_group_maintenance",
    tag = "groups",
    params(OfGroup),
    request_body = MaintenanceBody,
    responses((status = 200, body = GroupChanged))
)]
pub(super) async fn maintain(
    State(api): State<Api>,
    Operator(caller): Operator,
    GroupPath(group): GroupPath,
    body: Body<MaintenanceBody>,
) -> Result<Json<GroupChanged>, Problem> {
    let duty = body.convert(MaintenanceBody::convert)?;
    set(&api, &caller, group, duty).await
}

/// Call all instances of a group back into service.
#[utoipa::path(
    delete,
    path = "/v1/groups/{group}/maintenance",
    operation_id = "end_group_maintenance",
    tag = "groups",
    params(OfGroup),
    responses((status = 200, body = GroupChanged))
)]
pub(super) async fn call_back(
    State(api): State<Api>,
    Operator(caller): Operator,
    GroupPath(group): GroupPath,
) -> Result<Json<GroupChanged>, Problem> {
    set(&api, &caller, group, Duty::Active).await
}

/// Drain all instances of a group: no new requests, and they leave when those in flight are done.
#[utoipa::path(
    post,
    path = "/v1/groups/{group}/drain",
    operation_id = "drain_group",
    tag = "groups",
    params(OfGroup),
    responses((status = 200, body = GroupChanged))
)]
pub(super) async fn drain(
    State(api): State<Api>,
    Operator(caller): Operator,
    GroupPath(group): GroupPath,
) -> Result<Json<GroupChanged>, Problem> {
    set(&api, &caller, group, Duty::Draining).await
}

async fn set(
    api: &Api,
    caller: &Caller,
    group: GroupName,
    duty: Duty,
) -> Result<Json<GroupChanged>, Problem> {
    let change = Change::SetGroupDuty(group.clone(), duty);
    let applied = apply(&api.registry, change, caller).await?;
    Ok(Json(GroupChanged {
        group: group.to_string(),
        instances: applied.instances,
        index: applied.index,
    }))
}
