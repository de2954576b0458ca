//! Metrics that alert rules may name, and thresholds with their units.

use std::collections::BTreeMap;

use super::check::Check;
use crate::alert::rules::Unit;
use crate::alert::rules::facts::FACTS;
use crate::config::path::KeyPath;
use crate::config::schema::{AlertThreshold, Size, Time};
use crate::telemetry::metrics::{FamilyKind, KnownFamily, known_families};

/// What is usual for a process, as Prometheus's client libraries name it.
const PROCESS: [(&str, FamilyKind); 7] = [
    ("process_cpu_seconds_total", FamilyKind::Counter),
    ("process_max_fds", FamilyKind::Gauge),
    ("process_open_fds", FamilyKind::Gauge),
    ("process_resident_memory_bytes", FamilyKind::Gauge),
    ("process_start_time_seconds", FamilyKind::Gauge),
    ("process_threads", FamilyKind::Gauge),
    ("process_virtual_memory_bytes", FamilyKind::Gauge),
];

/// A metric that exists.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Its series' name.
    pub family: String,
    pub is_counter: bool,
    pub labels: Vec<String>,
}

/// Looks a metric up; `buckets`: a quantile of it is asked for.
pub fn metric(name: &str, buckets: bool, at: &KeyPath, check: &mut Check<'_>) -> Option<Metric> {
    let known = all();
    let part =
        ["_count", "_sum", "_bucket"].iter().find_map(|end| known.get(name.strip_suffix(end)?));
    let part = part.filter(|family| family.kind == FamilyKind::Histogram);
    let Some(family) = known.get(name).or(part) else {
        let names = known.keys().map(String::as_str);
        let allowed = "what /metrics shows, and what config/proconsul.toml lists besides";
        check.unheard_of(at, "is no metric", name, names, allowed);
        return None;
    };
    let is_histogram = family.kind == FamilyKind::Histogram && part.is_none();
    match (is_histogram, buckets) {
        (false, true) => {
            check.refuse(
                at,
                "has no quantiles",
                "a histogram, such as proconsul_http_request_duration_seconds",
            );
            return None;
        }
        (true, false) => {
            let allowed = format!("`quantile` besides, or {name}_count, {name}_sum");
            check.refuse(at, "is a histogram", &allowed);
            return None;
        }
        _ => {}
    }
    let mut labels = family.labels.clone();
    labels.extend(name.ends_with("_bucket").then(|| "le".to_owned()));
    Some(Metric {
        family: if buckets { format!("{name}_bucket") } else { name.to_owned() },
        is_counter: family.kind != FamilyKind::Gauge,
        labels,
    })
}

fn all() -> BTreeMap<String, KnownFamily> {
    let facts = FACTS.iter().map(|fact| {
        let labels = fact.labels.iter().map(|label| (*label).to_owned()).collect();
        (fact.name.to_owned(), KnownFamily { kind: FamilyKind::Gauge, labels })
    });
    let process = PROCESS
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), KnownFamily { kind: *kind, labels: Vec::new() }));
    let own = known_families().iter().map(|(name, family)| (name.clone(), family.clone()));
    facts.chain(process).chain(own).collect()
}

/// What a metric's numbers are, by the unit at the end of its name.
pub fn unit(family: &str) -> Unit {
    let name =
        ["_bucket", "_total"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
    match name.rsplit('_').next() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        Some("ratio") => Unit::Share,
        _ => Unit::Plain,
    }
}

/// A threshold as a number, and its unit if it has one.
pub fn threshold(
    written: &AlertThreshold,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<(f64, Option<Unit>)> {
    let text = match written {
        AlertThreshold::Number(number) => return Some((*number, None)),
        AlertThreshold::Text(text) => text.trim(),
    };
    let share = || text.strip_suffix('%')?.trim().parse().ok().map(|percent: f64| percent / 100.0);
    let finite = |number: &f64| number.is_finite();
    // A size has a `B` in its unit, a duration has none.
    let read = share()
        .filter(finite)
        .map(|share| (share, Some(Unit::Share)))
        .or_else(|| Some((text.parse().ok().filter(finite)?, None)))
        .or_else(|| Some((Time::parse(text)?.0.as_secs_f64(), Some(Unit::Seconds))))
        .or_else(|| Some((Size::parse(text)?.0 as f64, Some(Unit::Bytes))));
    if read.is_none() {
        check.refuse(
            at,
            "is no threshold",
            "a number, or one with a unit: \"5%\", \"250ms\", \"1GiB\"",
        );
    }
    read
}
