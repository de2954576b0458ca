//! What is remembered, from families that are gathered as they are in the process.

use std::time::Duration;

use super::*;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::StatusClass;

const HOUR: Duration = Duration::from_secs(3600);

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Requests of `web` and the place of their series.
fn requests(history: &History) -> Place {
    let mut series = history.series("proconsul_http_requests_total");
    series.find(|(_, series)| series.label("status_class") == "2xx").unwrap().0
}

#[test]
fn nothing_is_known_of_nothing() {
    let history = Ring::default().history();
    assert!(history.is_empty());
    assert_eq!(history.series("a").count(), 0);
    assert_eq!(Window::of_service(&history, "web", HOUR), None);
}

#[test]
fn a_window_is_what_happened_in_it() {
    let (metrics, ring) = (Metrics::new(), Ring::default());
    let route = metrics.route("web", "api");
    for step in 0..10_u64 {
        ring.record(&metrics.gather(), step * 10_000, HOUR);
        for _ in 0..9 {
            route.finished(StatusClass::of(200), 0.02);
        }
        route.finished(StatusClass::of(503), 0.2);
    }
    ring.record(&metrics.gather(), 100_000, HOUR);
    let history = ring.history();
    let place = requests(&history);
    assert_eq!(history.value(place), Some(90.0));
    assert_eq!(history.increase(place, seconds(50)), Some(45.0));
    // It has no series in the first sample: it was 0.
    assert_eq!(history.increase(place, HOUR), Some(90.0));
    let window = Window::of_service(&history, "web", seconds(60)).unwrap();
    assert_eq!((window.covers, window.requests, window.errors), (seconds(60), 60.0, 6.0));
    assert_eq!(window.error_rate(), Some(0.1));
    assert_eq!(window.throughput(), 1.0);
    let (p50, p99) = (window.p50_seconds.unwrap(), window.p99_seconds.unwrap());
    assert!(p50 > 0.01 && p50 < 0.025, "{p50}");
    assert!(p99 > 0.1 && p99 < 0.25, "{p99}");
    assert_eq!(Window::of_service(&history, "other", seconds(60)).unwrap().error_rate(), None);
}

#[test]
fn a_counter_that_begins_anew_goes_on() {
    let (metrics, ring) = (Metrics::new(), Ring::default());
    let record = |at: u64| ring.record(&metrics.gather(), at, HOUR);
    let count = |route: &crate::telemetry::metrics::RouteMetrics, times: usize| {
        (0..times).for_each(|_| route.finished(StatusClass::of(200), 0.1));
    };
    let route = metrics.route("web", "api");
    record(0);
    count(&route, 5);
    record(1_000);
    drop(route);
    record(2_000);
    let route = metrics.route("web", "api");
    count(&route, 3);
    record(3_000);
    let history = ring.history();
    assert_eq!(history.increase(requests(&history), HOUR), Some(8.0));
    assert_eq!(history.value(requests(&history)), Some(3.0));
}

#[test]
fn what_is_too_old_is_forgotten_and_series_are_listed_once() {
    let (metrics, ring) = (Metrics::new(), Ring::default());
    let route = metrics.route("web", "api");
    route.finished(StatusClass::of(200), 0.1);
    for at in 0..100 {
        ring.record(&metrics.gather(), at * 1_000, seconds(10));
    }
    let history = ring.history();
    assert_eq!(history.len(), 11);
    let samples = ring.samples.lock();
    assert!(samples.iter().all(|sample| Arc::ptr_eq(&sample.index, &samples[0].index)));
    drop(samples);
    let values = history.values(requests(&history), seconds(6), seconds(2));
    let times: Vec<u64> = values.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [93_000, 95_000, 97_000, 99_000]);
}

#[test]
fn quantiles_are_prometheuss() {
    let buckets = [(1.0, 10.0), (2.0, 30.0), (f64::INFINITY, 40.0)];
    assert_eq!(quantile(0.5, &buckets), Some(1.5));
    assert_eq!(quantile(0.1, &buckets), Some(0.4));
    assert_eq!(quantile(0.99, &buckets), Some(2.0));
    assert_eq!(quantile(0.5, &[]), None);
    assert_eq!(quantile(0.5, &[(f64::INFINITY, 0.0)]), None);
    assert_eq!(quantile(2.0, &buckets), None);
}

/// Ten thousand series and two hundred rules over them. The bar is 50 ms of an optimised build; what is
/// held here is only that nothing is quadratic.
#[test]
fn many_series_are_read_often() {
    let (metrics, ring) = (Metrics::new(), Ring::default());
    metrics.limit_instances(1_000);
    let all: Vec<_> = (0..800).map(|i| metrics.instance("web", &format!("i{i}"))).collect();
    for at in 0..20 {
        all.iter().for_each(|instance| instance.answered(200, 0.01));
        ring.record(&metrics.gather(), at * 10_000, HOUR);
    }
    let history = ring.history();
    assert!(history.series_count() >= 10_000, "{}", history.series_count());
    let begun = std::time::Instant::now();
    for _ in 0..200 {
        let series = history.series("proconsul_instance_requests_total");
        let sum: f64 = series.filter_map(|(place, _)| history.increase(place, seconds(60))).sum();
        assert_eq!(sum, 800.0 * 6.0);
    }
    assert!(begun.elapsed() < seconds(5), "{:?}", begun.elapsed());
}
