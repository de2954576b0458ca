//! `GET /v1/prometheus/sd`: what is registered, as Prometheus's HTTP service discovery wants it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::INDEX;
use super::filter::FilterQuery;
use super::instance_view::InstanceView;
use super::services::index;
use super::words::HealthWord;
use crate::admin::auth::Viewer;
use crate::admin::conditions::unless_known;
use crate::admin::input::{At, Query, Several, from_text};
use crate::admin::problem::Problem;
use crate::model::Namespace;
use crate::registry::{Instance, ServiceView};

/// In every namespace.
const ANY_NAMESPACE: &str = "*";

/// Which instances; all conditions hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `*`, all, if absent.
    namespace: Option<String>,
    service: Option<String>,
    /// Those that have all of these.
    #[param(value_type = Option<Vec<String>>)]
    tag: Several,
    /// Those of whose metadata this is part: `key=value`.
    #[param(value_type = Option<Vec<String>>)]
    metadata: Several,
    version: Option<String>,
    zone: Option<String>,
    region: Option<String>,
    #[param(inline)]
    health: Option<HealthWord>,
    #[param(value_type = Option<bool>)]
    #[serde(deserialize_with = "from_text")]
    eligible: Option<bool>,
}

/// Targets with their labels.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TargetGroup {
    /// `host:port`
    pub targets: Vec<String>,
    /// `__meta_proconsul_` and `namespace`, `service`, `instance`, `version`, `protocol`, `zone`, `region`,
    /// `duty`, `health`, `eligible`; `tags` with a comma at both ends and between; `metadata_` and each key, what
    /// no label's name may have in it made `_`.
    pub labels: BTreeMap<String, String>,
}

/// List every instance as a target of Prometheus (`http_sd_configs`).
#[utoipa::path(
    get,
    path = "/v1/prometheus/sd",
    operation_id = "prometheus_targets",
    tag = "metrics",
    params(Wanted),
    responses(
        (status = 200, body = Vec<TargetGroup>),
        (status = 304, description = "It is as you know it")
    )
)]
pub(super) async fn targets(
    State(api): State<Api>,
    _: Viewer,
    Query(wanted, mut mistakes): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Wanted { namespace, service, tag, metadata, version, zone, region, health, eligible } =
        wanted;
    let namespace = namespace.filter(|name| name != ANY_NAMESPACE);
    let namespace = match namespace {
        None => Some(None),
        Some(name) => mistakes.take(&At::ROOT.key("namespace"), Namespace::new(&name)).map(Some),
    };
    let filter =
        FilterQuery { namespace: None, tag, metadata, version, zone, region, health, eligible };
    let filter = filter.convert(&mut mistakes);
    let (namespace, filter) = mistakes.or(namespace.zip(filter))?;

    let snapshot = api.registry.snapshot();
    let body = || {
        let services = snapshot.services.iter().filter(|(key, _)| {
            namespace.as_ref().is_none_or(|wanted| key.namespace == *wanted)
                && service.as_ref().is_none_or(|wanted| key.name.as_str() == wanted)
        });
        let groups = services.flat_map(|(_, view)| {
            let instances = view.instances.values().filter(|instance| filter.takes(instance));
            instances.map(|instance| TargetGroup::of(instance, view))
        });
        Json(groups.collect::<Vec<_>>()).into_response()
    };
    let mut response = unless_known(&headers, snapshot.index, body);
    response.headers_mut().insert(INDEX, index(snapshot.index));
    Ok(response)
}

impl TargetGroup {
    fn of(instance: &Instance, service: &ServiceView) -> Self {
        let view = InstanceView::of(instance, &service.record);
        let host = match view.host.contains(':') {
            true => format!("[{}]", view.host),
            false => view.host,
        };
        let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let tags = match view.tags.is_empty() {
            true => String::new(),
            false => format!(",{},", view.tags.join(",")),
        };
        let pairs = [
            ("namespace", view.namespace),
            ("service", view.service),
            ("instance", view.id),
            ("version", view.version.unwrap_or_default()),
            ("protocol", view.protocol),
            ("zone", view.zone),
            ("region", view.region),
            ("duty", word(serde_json::json!(view.duty))),
            ("health", word(serde_json::json!(view.health.status))),
            ("eligible", view.eligible.to_string()),
            ("tags", tags),
        ];
        let own = pairs.map(|(name, value)| (format!("__meta_proconsul_{name}"), value));
        let metadata = view.metadata.into_iter();
        let metadata =
            metadata.map(|(k, v)| (format!("__meta_proconsul_metadata_{}", sane(&k)), v));
        let labels = metadata.chain(own).collect();
        Self { targets: vec![format!("{host}:{}", view.port)], labels }
    }
}

/// A text with all that no label's name may have made `_`.
fn sane(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
