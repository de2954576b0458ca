//! What is counted and remembered.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// How often all series are remembered.
    pub sample_interval: Duration,
    pub retention: Duration,
    /// Instances with series of their own.
    pub max_instances: usize,
}
