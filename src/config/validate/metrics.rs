//! `[metrics]`.

use std::time::Duration;

use super::check::{Check, DAY};
use crate::config::path::KeyPath;
use crate::config::schema::{self, Time};
use crate::config::types::Metrics;

/// More are not remembered, whatever the interval: each costs memory by the number of series.
const MAX_SAMPLES: u32 = 3600;

const LEAST_INTERVAL: Duration = Duration::from_millis(100);
const MOST_INTERVAL: Duration = Duration::from_secs(300);

pub fn metrics(metrics: schema::Metrics, at: &KeyPath, check: &mut Check<'_>) -> Metrics {
    let schema::Metrics { requests, sample_interval, retention, max_instances } = metrics;
    let interval_at = at.key("sample_interval");
    let sample_interval = check.time(&interval_at, sample_interval, LEAST_INTERVAL, MOST_INTERVAL);
    let retention_at = at.key("retention");
    let retention = check.time(&retention_at, retention, sample_interval, DAY);
    let most = sample_interval.saturating_mul(MAX_SAMPLES);
    if retention <= DAY && retention > most {
        let allowed = format!("at most {} with this sample_interval", Time(most));
        check.refuse(&retention_at, "is more than 3600 samples", &allowed);
    }
    let max_instances = check.number(&at.key("max_instances"), max_instances, 0, 100_000) as usize;
    Metrics { requests, sample_interval, retention, max_instances }
}
