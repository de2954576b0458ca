//! `GET /v1/services/{service}/instances`: discovery, at once or when something changed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::cursor::{Page, page_size};
use super::deprecation::{announce, deprecation_of};
use super::filter::FilterQuery;
use super::instance_view::InstanceView;
use super::services::index;
use super::wait::wait;
use super::watch::seat;
use super::{Api, INDEX, now};
use crate::admin::auth::Viewer;
use crate::admin::conditions::unless_known;
use crate::admin::input::{At, Query, ServicePath, from_text, index_from_text};
use crate::admin::problem::Problem;
use crate::config::Time;
use crate::model::InstanceId;
use crate::registry::RegistryError;

/// How to answer.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct How {
    /// `true`: with heart-beats and loads, which change without an index of their own.
    #[param(value_type = Option<bool>)]
    #[serde(deserialize_with = "from_text")]
    vitals: Option<bool>,
    /// Wait until the service has an index above this.
    #[param(value_type = Option<u64>, maximum = 9007199254740991u64)]
    #[serde(deserialize_with = "index_from_text")]
    index: Option<u64>,
    /// But not longer than this, somewhat varied; `60s` if absent, at most `10m`.
    #[param(value_type = Option<String>, pattern = "^([0-9]{1,9}(us|ms|s|m|h))+$")]
    wait: Option<Time>,
    /// `next` of the page before.
    after: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    #[serde(deserialize_with = "from_text")]
    limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    namespace: Option<String>,
    tag: crate::admin::input::Several,
    metadata: crate::admin::input::Several,
    version: Option<String>,
    zone: Option<String>,
    region: Option<String>,
    health: Option<super::words::HealthWord>,
    #[serde(deserialize_with = "from_text")]
    eligible: Option<bool>,
    #[serde(deserialize_with = "from_text")]
    vitals: Option<bool>,
    #[serde(deserialize_with = "index_from_text")]
    index: Option<u64>,
    wait: Option<Time>,
    after: Option<String>,
    #[serde(deserialize_with = "from_text")]
    limit: Option<usize>,
}

impl Wanted {
    fn split(self) -> (FilterQuery, How) {
        let Self {
            namespace,
            tag,
            metadata,
            version,
            zone,
            region,
            health,
            eligible,
            vitals,
            index,
            wait,
            after,
            limit,
        } = self;
        let filter =
            FilterQuery { namespace, tag, metadata, version, zone, region, health, eligible };
        (filter, How { vitals, index, wait, after, limit })
    }
}

/// Find instances of a service.
///
/// With `index` it waits until something changed: a blocking query.
#[utoipa::path(
    get,
    path = "/v1/services/{service}/instances",
    operation_id = "discover",
    tag = "instances",
    params(super::openapi::OfService, FilterQuery, How),
    responses(
        (status = 200, body = Page<InstanceView>, headers(
            ("X-Proconsul-Index" = u64, description = "For `index` of the next question"),
        )),
        (status = 304, description = "It is as you know it")
    )
)]
pub(super) async fn discover(
    State(api): State<Api>,
    _: Viewer,
    ServicePath(key): ServicePath,
    Query(wanted, mut mistakes): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (filter, how) = wanted.split();
    let filter = filter.convert(&mut mistakes);
    let limit = page_size(how.limit, &mut mistakes);
    let wait = wait(how.index, how.wait, &mut mistakes);
    let after =
        how.after.map(|after| mistakes.take(&At::ROOT.key("after"), InstanceId::new(&after)));
    let filter = mistakes.or(filter)?;

    if let Some(wait) = wait {
        let _seat = seat(&api)?;
        // What is there when the patience ends is the answer then.
        let _ = timeout(wait.patience, api.registry.changed(&key, wait.above)).await;
    }
    let snapshot = api.registry.snapshot();
    let service_index = snapshot.index_of(&key);
    let Some(service) = snapshot.services.get(&key) else {
        let problem = Problem::from(RegistryError::NoService(key));
        return Err(problem.with(INDEX, &service_index.to_string()));
    };
    let begin = after.flatten().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
    let range = service.instances.range((begin, std::ops::Bound::Unbounded));
    let mut found = range.map(|(_, instance)| instance).filter(|instance| filter.takes(instance));
    let chosen: Vec<_> = found.by_ref().take(limit).collect();
    let next =
        chosen.last().filter(|_| found.next().is_some()).map(|last| last.record.id.to_string());

    let moment = now();
    let with_vitals = how.vitals == Some(true);
    let body = || {
        let items = chosen.iter().map(|instance| {
            let view = InstanceView::of(instance, &service.record);
            if with_vitals { view.with_vitals(instance, moment) } else { view }
        });
        Json(Page { items: items.collect(), next, index: service_index }).into_response()
    };
    let mut response = match with_vitals {
        true => body(),
        false => unless_known(&headers, service_index, body),
    };
    let deprecated =
        chosen.iter().filter_map(|instance| deprecation_of(&instance.record, &service.record));
    announce(response.headers_mut(), deprecated);
    response.headers_mut().insert(INDEX, index(service_index));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache"));
    Ok(response)
}
