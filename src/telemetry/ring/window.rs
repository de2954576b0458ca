//! How a service or an instance did over the last minutes.

use std::time::Duration;

use super::history::{History, Place};
use super::index::Series;

/// What is known of a window of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// How much of it is remembered.
    pub covers: Duration,
    pub requests: f64,
    /// Those that ended with 5xx, or that an instance did not answer.
    pub errors: f64,
    /// `None` where nothing was observed.
    pub p50_seconds: Option<f64>,
    pub p90_seconds: Option<f64>,
    pub p99_seconds: Option<f64>,
    /// Of the time, the share with somebody to take requests.
    pub availability: Option<f64>,
}

impl Window {
    /// Of a service. `None` where there are not two samples yet.
    pub fn of_service(history: &History, service: &str, window: Duration) -> Option<Self> {
        let takes = |series: &Series| series.label("service") == service;
        let subject = Subject {
            requests: "proconsul_http_requests_total",
            seconds: "proconsul_http_request_duration_seconds",
            up: "proconsul_service_endpoints",
            is_error: &|series| series.label("status_class") == "5xx",
            takes: &takes,
        };
        subject.over(history, window)
    }

    /// Of an instance of a service.
    pub fn of_instance(
        history: &History,
        service: &str,
        instance: &str,
        window: Duration,
    ) -> Option<Self> {
        let takes = |series: &Series| {
            series.label("service") == service && series.label("instance") == instance
        };
        let subject = Subject {
            requests: "proconsul_instance_requests_total",
            seconds: "proconsul_instance_response_seconds",
            up: "proconsul_instance_up",
            is_error: &|series| series.label("result") != "success",
            takes: &takes,
        };
        subject.over(history, window)
    }

    /// Requests a second.
    pub fn throughput(&self) -> f64 {
        self.requests / self.covers.as_secs_f64()
    }

    /// The share of requests that went wrong; `None` where there were none.
    pub fn error_rate(&self) -> Option<f64> {
        (self.requests > 0.0).then(|| self.errors / self.requests)
    }
}

/// Where to look.
struct Subject<'a> {
    requests: &'a str,
    seconds: &'a str,
    up: &'a str,
    is_error: &'a dyn Fn(&Series) -> bool,
    takes: &'a dyn Fn(&Series) -> bool,
}

impl Subject<'_> {
    fn over(&self, history: &History, window: Duration) -> Option<Window> {
        let covers = history.span(window)?;
        let mut requests = 0.0;
        let mut errors = 0.0;
        for (place, series) in history.series(self.requests).filter(|(_, s)| (self.takes)(s)) {
            let count = history.increase(place, window).unwrap_or(0.0);
            requests += count;
            if (self.is_error)(series) {
                errors += count;
            }
        }
        let quantile = |q| history.histogram_quantile(self.seconds, self.takes, q, window);
        let up = history.series(self.up).find(|(_, series)| (self.takes)(series));
        Some(Window {
            covers,
            requests,
            errors,
            p50_seconds: quantile(0.5),
            p90_seconds: quantile(0.9),
            p99_seconds: quantile(0.99),
            availability: up.and_then(|(place, _)| availability(history, place, window)),
        })
    }
}

/// The share of samples in which a gauge is above 0.
fn availability(history: &History, place: Place, window: Duration) -> Option<f64> {
    let values = history.values(place, window, Duration::ZERO);
    let above = values.iter().filter(|(_, value)| *value > 0.0).count();
    (!values.is_empty()).then(|| above as f64 / values.len() as f64)
}
