//! What is counted and remembered.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Whether requests are counted.
    pub requests: bool,
    /// How often all series are remembered.
    pub sample_interval: Duration,
    pub retention: Duration,
    /// Instances with series of their own.
    pub max_instances: usize,
}
