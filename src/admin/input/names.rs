//! Names in paths and queries.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;

use super::mistakes::{At, Mistakes};
use crate::admin::problem::Problem;
use crate::model::{GroupName, InstanceId, Namespace, ServiceKey, ServiceName};

/// `/services/{service}` with `?namespace=`.
#[derive(Debug, Clone)]
pub struct ServicePath(pub ServiceKey);

/// `/services/{service}/instances/{instance}` with `?namespace=`.
#[derive(Debug, Clone)]
pub struct InstancePath {
    pub service: ServiceKey,
    pub instance: InstanceId,
}

/// `/groups/{group}`.
#[derive(Debug, Clone)]
pub struct GroupPath(pub GroupName);

impl<S: Sync + Send> FromRequestParts<S> for GroupPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) = name.map_err(|error| Problem::not_found(error.body_text()))?;
        let mut mistakes = Mistakes::of_parameters();
        let group = mistakes.take(&At::ROOT.key("group"), GroupName::new(&name));
        mistakes.or(group).map(Self)
    }
}

#[derive(Deserialize)]
struct Segments {
    service: String,
    #[serde(default)]
    instance: Option<String>,
}

/// What every request about a service may have in its query.
fn namespace_of(parts: &Parts) -> Option<String> {
    let query = parts.uri.query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "namespace").map(|(_, value)| value.into_owned())
}

/// A service's key of its two names.
pub fn service_key(
    namespace: Option<&str>,
    name: &str,
    at: &At<'_>,
    mistakes: &mut Mistakes,
) -> Option<ServiceKey> {
    let namespace = match namespace {
        None => Some(Namespace::default_one()),
        Some(text) => mistakes.take(&at.key("namespace"), Namespace::new(text)),
    };
    let name = mistakes.take(&at.key("service"), ServiceName::new(name));
    Some(ServiceKey { namespace: namespace?, name: name? })
}

async fn segments<S: Sync + Send>(parts: &mut Parts, state: &S) -> Result<Segments, Problem> {
    let read = Path::<Segments>::from_request_parts(parts, state).await;
    read.map(|Path(segments)| segments).map_err(|error| Problem::not_found(error.body_text()))
}

impl<S: Sync + Send> FromRequestParts<S> for ServicePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let segments = segments(parts, state).await?;
        let mut mistakes = Mistakes::of_parameters();
        let key = service_key(
            namespace_of(parts).as_deref(),
            &segments.service,
            &At::ROOT,
            &mut mistakes,
        );
        mistakes.or(key).map(Self)
    }
}

impl<S: Sync + Send> FromRequestParts<S> for InstancePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Segments { service, instance } = segments(parts, state).await?;
        let mut mistakes = Mistakes::of_parameters();
        let key = service_key(namespace_of(parts).as_deref(), &service, &At::ROOT, &mut mistakes);
        let instance = InstanceId::new(&instance.unwrap_or_default());
        let instance = mistakes.take(&At::ROOT.key("instance"), instance);
        let path = key.zip(instance);
        mistakes.or(path.map(|(service, instance)| Self { service, instance }))
    }
}
