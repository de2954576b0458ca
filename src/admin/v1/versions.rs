//! A service's versions: which are registered, which serve, which ought not to be used any more.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use semver::Version;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::convert::requirement;
use super::deprecation::{DeprecationBody, DeprecationView, announce};
use super::service_view::ServiceView;
use super::services::{edit, edited};
use super::{Api, now};
use crate::admin::auth::{Operator, Viewer};
use crate::admin::conditions::Condition;
use crate::admin::input::{At, Body, MAX_DEPRECATIONS, Query, ServicePath};
use crate::admin::problem::Problem;
use crate::model::ServiceRecord;
use crate::registry::{RegistryError, ServiceView as Known};

/// The versions of a service.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionsView {
    /// Newest first.
    pub versions: Vec<VersionView>,
    /// Instances that told no version.
    pub without_version: usize,
    pub index: u64,
}

/// A version that instances are registered with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionView {
    pub version: String,
    /// Registered.
    pub instances: usize,
    /// May be given requests.
    pub eligible: usize,
    /// Whether any of them may.
    pub active: bool,
    pub deprecation: Option<DeprecationView>,
}

fn versions(service: &Known) -> Vec<VersionView> {
    let mut counts: BTreeMap<&Version, (usize, usize)> = BTreeMap::new();
    for instance in service.instances.values() {
        if let Some(version) = &instance.record.version {
            let (all, eligible) = counts.entry(version).or_default();
            *all += 1;
            *eligible += usize::from(instance.is_eligible());
        }
    }
    let view = |(version, (instances, eligible)): (&Version, (usize, usize))| VersionView {
        version: version.to_string(),
        instances,
        eligible,
        active: eligible > 0,
        deprecation: deprecated(&service.record, version),
    };
    counts.into_iter().rev().map(view).collect()
}

fn deprecated(record: &ServiceRecord, version: &Version) -> Option<DeprecationView> {
    let mut all = record.deprecations.iter();
    all.find(|deprecation| deprecation.versions.matches(version)).map(DeprecationView::of)
}

/// List a service's versions.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/versions",
    operation_id = "list_versions",
    tag = "versions",
    params(super::openapi::OfService, super::openapi::InNamespace),
    responses((status = 200, body = VersionsView))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(key): ServicePath,
) -> Result<Response, Problem> {
    let snapshot = api.registry.snapshot();
    let service = snapshot.services.get(&key).ok_or(RegistryError::NoService(key))?;
    let without = service.instances.values().filter(|instance| instance.record.version.is_none());
    let view = VersionsView {
        versions: versions(service),
        without_version: without.count(),
        index: service.index,
    };
    let mut response = Json(view).into_response();
    announce(response.headers_mut(), service.record.deprecations.iter());
    Ok(response)
}

/// Which versions are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `default` if absent.
    #[param(min_length = 1, max_length = 128, pattern = "^[A-Za-z0-9_.:-]+$")]
    #[expect(dead_code, reason = "`ServicePath` reads it")]
    namespace: Option<String>,
    /// A requirement: `^1.2`, `>=1, <2`.
    version: String,
}

/// Whether a service has what somebody needs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CompatibleView {
    pub requirement: String,
    /// A version that fits may be given requests.
    pub compatible: bool,
    /// The newest of those.
    pub best: Option<String>,
    /// Those that fit, newest first.
    pub versions: Vec<VersionView>,
}

/// Ask which versions fit a requirement.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/compatible",
    operation_id = "compatible_versions",
    tag = "versions",
    params(super::openapi::OfService, Wanted),
    responses((status = 200, body = CompatibleView))
)]
pub(super) async fn compatible(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(key): ServicePath,
    Query(wanted, mut mistakes): Query<Wanted>,
) -> Result<Json<CompatibleView>, Problem> {
    let wanted = mistakes.take(&At::ROOT.key("version"), requirement(&wanted.version));
    let wanted = mistakes.or(wanted)?;
    let snapshot = api.registry.snapshot();
    let service = snapshot.services.get(&key).ok_or(RegistryError::NoService(key))?;
    let fits = |view: &VersionView| {
        Version::parse(&view.version).is_ok_and(|version| wanted.matches(&version))
    };
    let versions: Vec<_> = versions(service).into_iter().filter(fits).collect();
    let best = versions.iter().find(|version| version.active).map(|view| view.version.clone());
    Ok(Json(CompatibleView {
        requirement: wanted.to_string(),
        compatible: best.is_some(),
        best,
        versions,
    }))
}

/// Say that versions ought not to be used any more. What was said of the same versions is replaced.
#[utoipa::path(
    put,
    path = "/v1/services/{service}/deprecations",
    operation_id = "deprecate_versions",
    tag = "versions",
    params(super::openapi::OfService, super::openapi::InNamespace, super::openapi::OnCondition),
    request_body = DeprecationBody,
    responses((status = 200, body = ServiceView), (status = 201, body = ServiceView))
)]
pub(super) async fn deprecate(
    State(api): State<Api>,
    Operator(caller): Operator,
    ServicePath(key): ServicePath,
    condition: Condition,
    body: Body<DeprecationBody>,
) -> Result<Response, Problem> {
    let deprecation = body.convert(|body, mistakes| body.convert(now(), mistakes))?;
    let applied = edit(&api, &key, condition, &caller, |known| {
        let known = known.ok_or_else(|| RegistryError::NoService(key.clone()))?;
        let mut record = ServiceRecord::clone(&known.record);
        record.deprecations.retain(|other| other.versions != deprecation.versions);
        if record.deprecations.len() >= MAX_DEPRECATIONS {
            let what = format!("`{key}` has {MAX_DEPRECATIONS} deprecations, as many as it may");
            return Err(Problem::new(StatusCode::CONFLICT, "full", what));
        }
        record.deprecations.push(deprecation.clone());
        Ok(record)
    });
    edited(applied.await?, key)
}

/// Say that versions may be used again.
#[utoipa::path(
    delete,
    path = "/v1/services/{service}/deprecations",
    operation_id = "restore_versions",
    tag = "versions",
    params(super::openapi::OfService, Wanted),
    responses((status = 200, body = ServiceView))
)]
pub(super) async fn restore(
    State(api): State<Api>,
    Operator(caller): Operator,
    ServicePath(key): ServicePath,
    Query(wanted, mut mistakes): Query<Wanted>,
    condition: Condition,
) -> Result<Response, Problem> {
    let wanted = mistakes.take(&At::ROOT.key("version"), requirement(&wanted.version));
    let wanted = mistakes.or(wanted)?;
    let applied = edit(&api, &key, condition, &caller, |known| {
        let known = known.ok_or_else(|| RegistryError::NoService(key.clone()))?;
        let mut record = ServiceRecord::clone(&known.record);
        record.deprecations.retain(|other| other.versions != wanted);
        if record.deprecations.len() == known.record.deprecations.len() {
            return Err(Problem::not_found(format!("`{wanted}` of `{key}` is not deprecated")));
        }
        Ok(record)
    });
    edited(applied.await?, key)
}
