//! Which families there are, whether or not they have a series yet: what alert rules may name.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::proto::MetricType;

use super::Metrics;

/// Families that were ever registered in this process. Their names are constants, so this is bounded.
static NOTED: Mutex<BTreeMap<String, KnownFamily>> = Mutex::new(BTreeMap::new());

/// A family of series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownFamily {
    pub kind: FamilyKind,
    /// Labels of its series; a histogram's buckets have `le` besides.
    pub labels: Vec<String>,
}

/// What a family's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    /// It only grows.
    Counter,
    Gauge,
    Histogram,
}

pub(super) fn note(family: &dyn Collector) {
    let collected = family.collect();
    for (desc, family) in family.desc().iter().zip(&collected) {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => FamilyKind::Counter,
            MetricType::HISTOGRAM => FamilyKind::Histogram,
            _ => FamilyKind::Gauge,
        };
        let known = KnownFamily { kind, labels: desc.variable_labels.clone() };
        NOTED.lock().insert(desc.fq_name.clone(), known);
    }
}

/// Every family by its name.
pub fn known_families() -> &'static BTreeMap<String, KnownFamily> {
    static KNOWN: LazyLock<BTreeMap<String, KnownFamily>> = LazyLock::new(|| {
        let _ = Metrics::new(); // registers all of them
        NOTED.lock().clone()
    });
    &KNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_before_they_have_series() {
        let known = known_families();
        let requests = &known["proconsul_http_requests_total"];
        assert_eq!(requests.kind, FamilyKind::Counter);
        assert_eq!(requests.labels, ["service", "route", "status_class"]);
        let seconds = &known["proconsul_http_request_duration_seconds"];
        assert_eq!(seconds.kind, FamilyKind::Histogram);
        assert_eq!(known["proconsul_plugin_tripped"].kind, FamilyKind::Gauge);
    }
}
