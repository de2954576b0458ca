//! The metrics as they stand, in OTLP's form: the same names, labels and buckets as in the exposition.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum,
};
use prometheus::proto::{self, MetricFamily, MetricType};
use tokio::time::{MissedTickBehavior, interval};

use super::attribute::text;
use super::client::Outcome;
use super::deliver::Delivery;
use super::envelope::Envelope;
use super::span::unix_ns;
use crate::telemetry::Metrics;

/// Counters count from here on.
static STARTED_UNIX_NS: LazyLock<u64> = LazyLock::new(unix_ns);

/// Notes when counting began: when the process starts, and never again.
pub fn begin_to_count() {
    LazyLock::force(&STARTED_UNIX_NS);
}

/// Tells the collector of the metrics each `every`, and when it is stopped. What is not taken is not sent again: the
/// next time says it all.
pub(super) async fn run(
    metrics: Metrics,
    every: Duration,
    envelope: Envelope,
    mut delivery: Delivery,
) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = delivery.stop.clone();
    while !stop.is_cancelled() {
        // Ended by the tick or by the stop: either way, they are told.
        stop.run_until_cancelled(ticks.tick()).await;
        let (metrics, points) = all(&metrics.gather(), *STARTED_UNIX_NS, unix_ns());
        let sent = delivery.try_once(envelope.metrics(metrics).into(), points).await;
        if let Outcome::Later { why, .. } = sent {
            delivery.fails(&why);
        }
    }
}

/// All families, and how many points they have.
fn all(families: &[MetricFamily], start: u64, now: u64) -> (Vec<Metric>, u64) {
    let points = families.iter().map(|family| family.get_metric().len() as u64).sum();
    (families.iter().filter_map(|family| metric(family, start, now)).collect(), points)
}

fn metric(family: &MetricFamily, start: u64, now: u64) -> Option<Metric> {
    let temporality = AggregationTemporality::Cumulative.into();
    let points = family.get_metric();
    let numbers = |start: u64, read: fn(&proto::Metric) -> f64| -> Vec<NumberDataPoint> {
        points.iter().map(|point| number(point, read(point), start, now)).collect()
    };
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: numbers(start, |point| point.get_counter().get_value()),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        MetricType::GAUGE => {
            Data::Gauge(Gauge { data_points: numbers(0, |point| point.get_gauge().get_value()) })
        }
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: points.iter().map(|point| histogram(point, start, now)).collect(),
            aggregation_temporality: temporality,
        }),
        // There are none.
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    Some(Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        unit: unit(family.name()).to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// By the base unit that a name ends in.
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total").rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    }
}

fn labels(point: &proto::Metric) -> Vec<KeyValue> {
    point.get_label().iter().map(|label| text(label.name(), label.value())).collect()
}

fn number(point: &proto::Metric, value: f64, start: u64, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(point),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// Prometheus's buckets hold what the smaller ones hold, OTLP's do not.
fn histogram(point: &proto::Metric, start: u64, now: u64) -> HistogramDataPoint {
    let histogram = point.get_histogram();
    let (mut bounds, mut counts, mut below) = (Vec::new(), Vec::new(), 0);
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        bounds.push(bucket.upper_bound());
        counts.push(bucket.cumulative_count().saturating_sub(below));
        below = bucket.cumulative_count();
    }
    // A sample may be counted while it is gathered: the sum of the buckets is the count.
    let count = histogram.get_sample_count().max(below);
    counts.push(count - below);
    HistogramDataPoint {
        attributes: labels(point),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: counts,
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

#[cfg(test)]
mod tests {
    use prometheus::core::Collector;
    use prometheus::{HistogramOpts, IntCounter};

    use super::*;

    #[test]
    fn buckets_hold_their_own_alone() {
        let opts = HistogramOpts::new("x_seconds", "x").buckets(vec![1.0, 2.0]);
        let histogram = prometheus::Histogram::with_opts(opts).unwrap();
        [0.5, 1.0, 1.5, 9.0].into_iter().for_each(|value| histogram.observe(value));
        let (metrics, points) = all(&histogram.collect(), 3, 7);
        let [Metric { name, unit, data: Some(Data::Histogram(data)), .. }] = metrics.as_slice()
        else {
            panic!("{metrics:?}");
        };
        let point = &data.data_points[0];
        assert_eq!((name.as_str(), unit.as_str(), points), ("x_seconds", "s", 1));
        assert_eq!(point.explicit_bounds, [1.0, 2.0]);
        assert_eq!(point.bucket_counts, [2, 1, 1]);
        assert_eq!((point.count, point.sum), (4, Some(12.0)));
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (3, 7));
    }

    #[test]
    fn a_counter_only_grows() {
        let counter = IntCounter::new("x_bytes_total", "x").unwrap();
        counter.inc_by(5);
        let (metrics, _) = all(&counter.collect(), 3, 7);
        let [Metric { unit, data: Some(Data::Sum(sum)), .. }] = metrics.as_slice() else {
            panic!("{metrics:?}");
        };
        assert_eq!((unit.as_str(), sum.is_monotonic, sum.aggregation_temporality), ("By", true, 2));
        assert_eq!(sum.data_points[0].value, Some(Value::AsDouble(5.0)));
    }
}
