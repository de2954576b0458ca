//! Families as flat series, the way they are exposed.

use prometheus::proto::{Metric, MetricFamily, MetricType};

/// Takes a sample: the name of its series, their labels, its value.
pub type TakeSample<'a> = dyn FnMut(&str, &[(&str, &str)], f64) + 'a;

pub(super) fn each(families: &[MetricFamily], take: &mut TakeSample<'_>) {
    for family in families {
        let name = family.name();
        for metric in family.get_metric() {
            let labels: Vec<(&str, &str)> =
                metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            match family.get_field_type() {
                MetricType::COUNTER => take(name, &labels, metric.get_counter().get_value()),
                MetricType::HISTOGRAM => histogram(name, metric, &labels, take),
                _ => take(name, &labels, metric.get_gauge().get_value()),
            }
        }
    }
}

fn histogram<'a>(
    name: &str,
    metric: &'a Metric,
    labels: &[(&'a str, &'a str)],
    take: &mut TakeSample<'_>,
) {
    let histogram = metric.get_histogram();
    let buckets = format!("{name}_bucket");
    let mut bucket = |bound: &str, count: u64| {
        let with_bound: Vec<(&str, &str)> = labels.iter().copied().chain([("le", bound)]).collect();
        take(&buckets, &with_bound, count as f64);
    };
    for each in histogram.get_bucket() {
        bucket(&each.upper_bound().to_string(), each.cumulative_count());
    }
    bucket("+Inf", histogram.get_sample_count());
    take(&format!("{name}_sum"), labels, histogram.get_sample_sum());
    take(&format!("{name}_count"), labels, histogram.get_sample_count() as f64);
}

#[cfg(test)]
mod tests {
    use crate::telemetry::Metrics;
    use crate::telemetry::metrics::StatusClass;

    #[test]
    fn every_series_is_handed_over_as_it_is_exposed() {
        let metrics = Metrics::new();
        let route = metrics.route("web", "api");
        route.finished(StatusClass::of(200), 0.02);
        let mut lines = Vec::new();
        metrics.sample(&mut |name, labels, value| {
            let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}=\"{v}\"")).collect();
            lines.push(match labels.is_empty() {
                true => format!("{name} {value}"),
                false => format!("{name}{{{}}} {value}", labels.join(",")),
            });
        });
        let exposed = metrics.render();
        // The process's own change between two looks.
        let lasts = |line: &&str| !line.starts_with('#') && !line.starts_with("process_");
        let exposed: Vec<&str> = exposed.lines().filter(lasts).collect();
        lines.retain(|line| !line.starts_with("process_"));
        assert_eq!(lines, exposed);
    }
}
