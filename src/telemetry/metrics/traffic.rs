//! The families of requests beside their number and duration: what went wrong, how much was moved, and
//! how each instance does.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::families::add;

/// Seconds, about 4 × apart: fewer than a route's, as there may be many instances.
const ANSWER_SECONDS: &[f64] = &[0.0025, 0.01, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Seconds. A timer is exact to a millisecond; a tenth of a second is what clients feel.
const LAG_SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

pub(super) struct TrafficFamilies {
    pub errors: IntCounterVec,
    pub retries: IntCounterVec,
    pub request_bytes: IntCounterVec,
    pub response_bytes: IntCounterVec,
    pub tries: IntCounterVec,
    pub answer_seconds: HistogramVec,
    pub instance_in_flight: IntGaugeVec,
    pub instance_up: IntGaugeVec,
    pub instance_up_since: IntGaugeVec,
    pub folded: IntCounter,
    pub lag_seconds: HistogramVec,
}

impl TrafficFamilies {
    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            add(registry, HistogramVec::new(opts, labels))
        };
        let route = &["service", "route"];
        let instance = &["service", "instance"];
        Self {
            errors: counters(
                "proconsul_http_errors_total",
                "Requests that went wrong, by what: the words of the access log and of problem details, \
                 upstream_5xx where the upstream itself said so, client_gone where nobody was left to answer.",
                &["service", "route", "kind"],
            ),
            retries: counters(
                "proconsul_http_retries_total",
                "Tries after a request's first.",
                route,
            ),
            request_bytes: counters(
                "proconsul_http_request_body_bytes_total",
                "Bytes of bodies that came from clients.",
                route,
            ),
            response_bytes: counters(
                "proconsul_http_response_body_bytes_total",
                "Bytes of bodies that were sent to clients.",
                route,
            ),
            tries: counters(
                "proconsul_instance_requests_total",
                "Requests that an instance was sent, by how that ended: success, error (5xx), connect, timeout, reset.",
                &["service", "instance", "result"],
            ),
            answer_seconds: histograms(
                "proconsul_instance_response_seconds",
                "From a request sent to an instance to its response's header.",
                instance,
                ANSWER_SECONDS,
            ),
            instance_in_flight: gauges(
                "proconsul_instance_requests_in_flight",
                "Requests that the instance is serving right now.",
                instance,
            ),
            instance_up: gauges(
                "proconsul_instance_up",
                "1 while the instance is on duty and not critical; its mean over time is its availability.",
                instance,
            ),
            instance_up_since: gauges(
                "proconsul_instance_up_since_seconds",
                "Since when proconsul_instance_up is 1, as a Unix time; 0 while it is not.",
                instance,
            ),
            folded: add(
                registry,
                IntCounter::new(
                    "proconsul_metrics_instances_folded_total",
                    "Instances that are counted as `other` because there are [metrics] max_instances already.",
                ),
            ),
            lag_seconds: histograms(
                "proconsul_event_loop_lag_seconds",
                "How much later than asked for a timer rings, which is how long an event waits for its loop.",
                &["loop"],
                LAG_SECONDS,
            ),
        }
    }

    /// How late the loop `name` is; a series from its first second on.
    pub(super) fn lag(&self, name: &str) -> Histogram {
        self.lag_seconds.with_label_values(&[name])
    }
}
