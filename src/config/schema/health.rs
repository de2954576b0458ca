//! `[health]`, and `health` of a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// What holds for the health of every service that does not say otherwise, and for every check.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// While less than this share of a service's endpoints is well, in percent, requests go to all
    /// of them. 0 to 100; 0 = never.
    #[schemars(range(min = 0, max = 100))]
    pub panic_percent: u32,
    /// An endpoint that recovers gets its whole share of the traffic after this. 0s to 1h.
    pub slow_start: Time,
    /// Whether what real requests meet counts: connections refused, broken or late, answers 502 to
    /// 504.
    pub passive: bool,
    /// Such failures in a row that take an endpoint out; a refused connection does at once. 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub passive_failures: u32,
    /// How long such an endpoint stays out if no check calls it back before; doubles from time to
    /// time, up to ten times this. 100ms to 1h.
    pub passive_rest: Time,
    /// Checks in flight at most, over all services. 1 to 100000.
    #[schemars(range(min = 1, max = 100000))]
    pub max_concurrent: u32,
    /// Between two looks of a check. 100ms to 24h.
    pub interval: Time,
    /// By how much an interval is longer or shorter at random, in percent. 0 to 50.
    #[schemars(range(min = 0, max = 50))]
    pub jitter_percent: u32,
    /// The interval while results differ from what is believed. 100ms to 24h.
    pub interval_changing: Time,
    /// The interval while an instance is critical. 100ms to 24h.
    pub interval_down: Time,
    /// How long an answer may take. 10ms to 1h.
    pub timeout: Time,
    /// Good results in a row that make a critical instance pass. 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub rise: u32,
    /// Bad results in a row that make a passing instance critical. 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub fall: u32,
    /// What is believed before the first result.
    pub initial: HealthStatus,
}

/// How well an instance is.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It takes requests.
    Passing,
    /// It takes requests, and somebody should look.
    Warning,
    /// It takes no requests.
    Critical,
}

/// The health of one service; what is not said is as `[health]` says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceHealth {
    /// Share of well endpoints below which requests go to all, in percent. 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub panic_percent: Option<u32>,
    /// When an endpoint that recovers gets its whole share. 0s to 1h.
    pub slow_start: Option<Time>,
    /// Whether what real requests meet counts.
    pub passive: Option<bool>,
    /// Failures in a row that take an endpoint out. 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub passive_failures: Option<u32>,
    /// How long such an endpoint stays out. 100ms to 1h.
    pub passive_rest: Option<Time>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            panic_percent: 50,
            slow_start: Time::from_secs(0),
            passive: true,
            passive_failures: 5,
            passive_rest: Time::from_secs(10),
            max_concurrent: 4096,
            interval: Time::from_secs(10),
            jitter_percent: 10,
            interval_changing: Time::from_secs(1),
            interval_down: Time::from_secs(10),
            timeout: Time::from_secs(2),
            rise: 2,
            fall: 3,
            initial: HealthStatus::Passing,
        }
    }
}
