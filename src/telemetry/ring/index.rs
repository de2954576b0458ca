//! Which series there are, and at which place of a sample each has its value.

use std::cmp::Ordering;
use std::collections::HashMap;

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

/// What of a family a series is; a histogram has several.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Value,
    Sum,
    Count,
    /// Observations up to this.
    Bucket(f64),
}

/// One series.
#[derive(Debug)]
pub struct Series {
    family: String,
    part: Part,
    labels: Vec<(String, String)>,
}

impl Series {
    /// Labels by name, without `le`.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A label's value; empty where there is none, as Prometheus has it.
    pub fn label(&self, name: &str) -> &str {
        self.labels().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    /// The upper bound of a histogram's bucket.
    pub fn upper_bound(&self) -> Option<f64> {
        match self.part {
            Part::Bucket(bound) => Some(bound),
            Part::Value | Part::Sum | Part::Count => None,
        }
    }

    fn metric(&self) -> String {
        let suffix = match self.part {
            Part::Value => "",
            Part::Sum => "_sum",
            Part::Count => "_count",
            Part::Bucket(_) => "_bucket",
        };
        format!("{}{suffix}", self.family)
    }

    fn is(&self, family: &str, part: Part, labels: &[LabelPair]) -> bool {
        self.part == part
            && self.family == family
            && self.labels.len() == labels.len()
            && self
                .labels
                .iter()
                .zip(labels)
                .all(|((name, value), pair)| name == pair.name() && value == pair.value())
    }

    fn order(&self, other: &Self) -> Ordering {
        let bound = |series: &Self| series.upper_bound().unwrap_or(0.0);
        self.labels.cmp(&other.labels).then(bound(self).total_cmp(&bound(other)))
    }
}

/// The series of a sample. Samples with the same series share it.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub series: Vec<Series>,
    /// Places by the metric's whole name, in the order of labels.
    by_metric: HashMap<String, Vec<usize>>,
}

impl Index {
    /// Lists the series of `families`, `most` of them at most.
    pub fn of(families: &[MetricFamily], most: usize) -> Self {
        let mut index = Self::default();
        each(families, |family, part, labels, _| {
            let pair = |label: &LabelPair| (label.name().to_owned(), label.value().to_owned());
            let labels = labels.iter().map(pair).collect();
            index.series.push(Series { family: family.to_owned(), part, labels });
            index.series.len() < most
        });
        let Self { series, by_metric } = &mut index;
        for (place, one) in series.iter().enumerate() {
            by_metric.entry(one.metric()).or_default().push(place);
        }
        for places in by_metric.values_mut() {
            places.sort_by(|a, b| series[*a].order(&series[*b]));
        }
        index
    }

    /// The values of `families`, if they have the series of this index.
    pub fn read(&self, families: &[MetricFamily]) -> Option<Box<[f64]>> {
        let mut values = Vec::with_capacity(self.series.len());
        let mut fits = true;
        each(families, |family, part, labels, value| {
            match self.series.get(values.len()) {
                Some(series) if series.is(family, part, labels) => values.push(value),
                Some(_) => fits = false,
                // Above the limit when the index was made.
                None => return false,
            }
            fits
        });
        (fits && values.len() == self.series.len()).then(|| values.into())
    }

    pub fn places(&self, metric: &str) -> &[usize] {
        self.by_metric.get(metric).map_or(&[], Vec::as_slice)
    }

    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        self.by_metric.keys().map(String::as_str)
    }

    /// Where a series of another index stands in this one.
    pub fn find(&self, series: &Series) -> Option<usize> {
        let places = self.places(&series.metric());
        let found = places.binary_search_by(|place| self.series[*place].order(series));
        found.ok().map(|at| places[at])
    }
}

/// Visits every series with its value, in the order of the families, until `visit` has enough.
fn each(families: &[MetricFamily], mut visit: impl FnMut(&str, Part, &[LabelPair], f64) -> bool) {
    for family in families {
        for metric in family.get_metric() {
            if !each_of(family, metric, &mut visit) {
                return;
            }
        }
    }
}

fn each_of(
    family: &MetricFamily,
    metric: &Metric,
    visit: &mut impl FnMut(&str, Part, &[LabelPair], f64) -> bool,
) -> bool {
    let mut visit = |part, value| visit(family.name(), part, metric.get_label(), value);
    match family.get_field_type() {
        MetricType::COUNTER => visit(Part::Value, metric.get_counter().get_value()),
        MetricType::GAUGE => visit(Part::Value, metric.get_gauge().get_value()),
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            let count = histogram.get_sample_count() as f64;
            histogram.get_bucket().iter().all(|bucket| {
                visit(Part::Bucket(bucket.upper_bound()), bucket.cumulative_count() as f64)
            }) && visit(Part::Bucket(f64::INFINITY), count)
                && visit(Part::Sum, histogram.get_sample_sum())
                && visit(Part::Count, count)
        }
        MetricType::SUMMARY | MetricType::UNTYPED => true, // there are none here
    }
}
