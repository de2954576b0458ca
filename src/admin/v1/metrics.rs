//! `/v1/metrics`: how services did, from what the process itself remembers.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::metrics_view::{MetricsView, SamplesView, SeriesView, ServiceMetricsView};
use crate::admin::auth::Viewer;
use crate::admin::input::{At, Mistakes, Query};
use crate::admin::problem::Problem;
use crate::config::Time;
use crate::telemetry::ring::{History, Series};

/// Samples of one answer; a longer range takes a longer step.
const MAX_ANSWERED_SAMPLES: usize = 100_000;

const DEFAULT_RANGE: Duration = Duration::from_secs(900);

/// Which samples.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// How far back, at most what is remembered; `15m` if absent.
    #[param(value_type = Option<String>, pattern = "^([0-9]{1,9}(us|ms|s|m|h))+$")]
    range: Option<Time>,
    /// Samples at least this far apart; every one if absent.
    #[param(value_type = Option<String>, pattern = "^([0-9]{1,9}(us|ms|s|m|h))+$")]
    step: Option<Time>,
}

/// List what is remembered.
#[utoipa::path(
    get,
    path = "/v1/metrics",
    operation_id = "list_metrics",
    tag = "metrics",
    responses((status = 200, body = MetricsView))
)]
pub(super) async fn list(State(api): State<Api>, _: Viewer) -> Json<MetricsView> {
    let history = api.ring.history();
    let mut metrics: Vec<_> = history.metrics().map(str::to_owned).collect();
    metrics.sort_unstable();
    Json(MetricsView {
        services: services(&history).into_iter().map(str::to_owned).collect(),
        metrics,
        samples: history.len(),
        series: history.series_count(),
    })
}

/// How a service did over the last 1, 5 and 15 minutes.
#[utoipa::path(
    get,
    path = "/v1/metrics/{service}",
    operation_id = "get_service_metrics",
    tag = "metrics",
    params(("service" = String, Path)),
    responses((status = 200, body = ServiceMetricsView))
)]
pub(super) async fn of_service(
    State(api): State<Api>,
    _: Viewer,
    Path(service): Path<String>,
) -> Result<Json<ServiceMetricsView>, Problem> {
    let history = api.ring.history();
    known(&history, &service)?;
    Ok(Json(ServiceMetricsView::of(&history, &service)))
}

/// A metric of a service over time.
#[utoipa::path(
    get,
    path = "/v1/metrics/{service}/{name}",
    operation_id = "get_samples",
    tag = "metrics",
    params(("service" = String, Path), ("name" = String, Path), Wanted),
    responses((status = 200, body = SamplesView))
)]
pub(super) async fn samples(
    State(api): State<Api>,
    _: Viewer,
    Path((service, name)): Path<(String, String)>,
    Query(wanted, mistakes): Query<Wanted>,
) -> Result<Json<SamplesView>, Problem> {
    let Wanted { range, step } = mistakes.or(Some(wanted))?;
    let range = range.map_or(DEFAULT_RANGE, |range| range.0);
    let step = step.map_or(Duration::ZERO, |step| step.0);
    let history = api.ring.history();
    known(&history, &service)?;
    let mut answered = 0;
    let mut found = Vec::new();
    for (place, series) in history.series(&name).filter(|(_, s)| s.label("service") == service) {
        let values = history.values(place, range, step);
        answered += values.len();
        if answered > MAX_ANSWERED_SAMPLES {
            let mut mistakes = Mistakes::of_parameters();
            let what = format!("gives more than {MAX_ANSWERED_SAMPLES} samples: make it longer");
            mistakes.add(&At::ROOT.key("step"), what);
            return Err(mistakes.into_problem());
        }
        // JSON has no NaN and no infinity.
        let finite = values.into_iter().filter(|(_, value)| value.is_finite());
        let samples = finite.map(|(unix_ms, value)| (unix_ms as f64 / 1000.0, value)).collect();
        found.push(SeriesView { labels: labels(series), samples });
    }
    if found.is_empty() {
        let what =
            format!("service `{service}` has no series of `{name}`: `/v1/metrics` lists names");
        return Err(Problem::not_found(what));
    }
    Ok(Json(SamplesView { service, metric: name, series: found }))
}

fn labels(series: &Series) -> std::collections::BTreeMap<String, String> {
    let own = series.labels().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bound = series.upper_bound().map(|bound| match bound.is_infinite() {
        true => "+Inf".to_owned(),
        false => bound.to_string(),
    });
    own.chain(bound.map(|bound| ("le".to_owned(), bound))).collect()
}

/// Services that are counted, by name.
fn services(history: &History) -> BTreeSet<&str> {
    let series = history.series("proconsul_service_endpoints");
    series.map(|(_, series)| series.label("service")).collect()
}

fn known(history: &History, service: &str) -> Result<(), Problem> {
    let services = services(history);
    match services.contains(service) {
        true => Ok(()),
        false => Err(Problem::not_found(format!(
            "nothing is remembered of a service `{service}`: `/v1/metrics` lists those that are counted"
        ))),
    }
}
