//! What the proxy itself does: its routes, strategies and plugins, with their counters.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::admin::auth::Viewer;
use crate::admin::problem::Problem;
use crate::admin::status::{PluginCounters, PluginStatus, RouteStatus, StrategyStatus};

/// Things that are all on one page: the configuration bounds them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listed<T> {
    pub items: Vec<T>,
}

type Answer<T> = Result<Json<Listed<T>>, Problem>;

/// A plugin at work for a service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PluginView {
    pub service: String,
    pub strategy: String,
    #[serde(flatten)]
    pub plugin: PluginStatus,
    pub counters: PluginCounters,
}

/// List routes.
#[utoipa::path(
    get,
    path = "/v1/routes",
    operation_id = "list_routes",
    tag = "proxy",
    responses((status = 200, body = Listed<RouteStatus>))
)]
pub(super) async fn routes(State(api): State<Api>, _: Viewer) -> Answer<RouteStatus> {
    Ok(Json(Listed { items: api.inquiry.status().await?.route_table.clone() }))
}

/// List strategies.
#[utoipa::path(
    get,
    path = "/v1/strategies",
    operation_id = "list_strategies",
    tag = "proxy",
    responses((status = 200, body = Listed<StrategyStatus>))
)]
pub(super) async fn strategies(State(api): State<Api>, _: Viewer) -> Answer<StrategyStatus> {
    Ok(Json(Listed { items: api.inquiry.status().await?.strategies.clone() }))
}

/// List plugins at work.
#[utoipa::path(
    get,
    path = "/v1/plugins",
    operation_id = "list_plugins",
    tag = "proxy",
    responses((status = 200, body = Listed<PluginView>))
)]
pub(super) async fn plugins(State(api): State<Api>, _: Viewer) -> Answer<PluginView> {
    let status = api.inquiry.status().await?;
    let items = status.services.iter().map(|(name, service)| PluginView {
        service: name.clone(),
        strategy: service.strategy.clone(),
        plugin: service.plugin.clone(),
        counters: service.counters.clone(),
    });
    Ok(Json(Listed { items: items.collect() }))
}
