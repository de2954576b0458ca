//! What is remembered of metrics, as JSON. A number that is not known is `null`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use crate::config::Time;
use crate::telemetry::ring::{History, Window};

/// The windows that are shown.
pub(super) const WINDOWS: [Duration; 3] =
    [Duration::from_secs(60), Duration::from_secs(300), Duration::from_secs(900)];

/// Services that are counted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MetricsView {
    pub services: Vec<String>,
    /// Names for `/v1/metrics/{service}/{name}`.
    pub metrics: Vec<String>,
    /// Samples that are remembered.
    pub samples: usize,
    /// Series in the newest of them.
    pub series: usize,
}

/// How a service did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceMetricsView {
    pub service: String,
    /// By `1m`, `5m`, `15m`; those of which something is known.
    pub windows: BTreeMap<String, WindowView>,
    /// The same for each instance that has series of its own.
    pub instances: BTreeMap<String, BTreeMap<String, WindowView>>,
}

/// How it did over the last minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WindowView {
    /// How much of the window is remembered.
    pub covers_seconds: f64,
    pub requests: f64,
    /// Those that ended with 5xx, or that an instance did not answer.
    pub errors: f64,
    pub success_rate: Option<f64>,
    pub error_rate: Option<f64>,
    pub requests_per_second: f64,
    pub p50_seconds: Option<f64>,
    pub p90_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
    /// Of the time, the share with somebody to take requests.
    pub availability: Option<f64>,
}

/// A metric over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SamplesView {
    pub service: String,
    pub metric: String,
    pub series: Vec<SeriesView>,
}

/// A series over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SeriesView {
    pub labels: BTreeMap<String, String>,
    /// Unix time in seconds, and value; oldest first.
    pub samples: Vec<(f64, f64)>,
}

impl WindowView {
    fn of(window: &Window) -> Self {
        let error_rate = window.error_rate();
        Self {
            covers_seconds: window.covers.as_secs_f64(),
            requests: window.requests,
            errors: window.errors,
            success_rate: error_rate.map(|rate| 1.0 - rate),
            error_rate,
            requests_per_second: window.throughput(),
            p50_seconds: window.p50_seconds,
            p90_seconds: window.p90_seconds,
            p99_seconds: window.p99_seconds,
            availability: window.availability,
        }
    }
}

/// Every window of which something is known.
fn windows(of: impl Fn(Duration) -> Option<Window>) -> BTreeMap<String, WindowView> {
    let each = WINDOWS.into_iter();
    let each = each.filter_map(|window| Some((window, of(window)?)));
    each.map(|(window, found)| (Time(window).to_string(), WindowView::of(&found))).collect()
}

impl ServiceMetricsView {
    pub fn of(history: &History, service: &str) -> Self {
        let instances = history.series("proconsul_instance_requests_in_flight");
        let instances = instances.filter(|(_, series)| series.label("service") == service);
        let of_instance = |instance: &str| {
            windows(|window| Window::of_instance(history, service, instance, window))
        };
        Self {
            service: service.to_owned(),
            windows: windows(|window| Window::of_service(history, service, window)),
            instances: instances
                .map(|(_, series)| series.label("instance"))
                .map(|instance| (instance.to_owned(), of_instance(instance)))
                .collect(),
        }
    }
}
