//! `[metrics]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Time;

/// What is counted, and how long the process remembers it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Count requests: by route and instance, errors, durations, bytes. Without, rules and windows know nothing
    /// of requests; what is in flight is known all the same.
    pub requests: bool,
    /// How often all series are remembered, for `/v1/metrics` and for alerts. 100ms to 5m.
    pub sample_interval: Time,
    /// How long, at 8 bytes a series and sample: 3600 samples at most.
    pub retention: Time,
    /// Instances with series of their own, about 16 each; further ones are counted together as `other`.
    #[schemars(range(min = 0, max = 100000))]
    pub max_instances: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: true,
            sample_interval: Time::from_secs(10),
            retention: Time::from_secs(3600),
            max_instances: 500,
        }
    }
}
