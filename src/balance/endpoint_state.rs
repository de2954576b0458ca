//! What is known about one endpoint while it serves. Outlives the sets that list it: a reload or a
//! change of weight forgets nothing.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::PeakEwma;
use crate::telemetry::metrics::InstanceMetrics;

/// Counters and gauges of one endpoint, shared by every set and thread that knows it.
#[derive(Debug)]
pub struct EndpointState {
    active: AtomicU32,
    latency: PeakEwma,
    reported_cpu: AtomicU32,
    reported_memory: AtomicU32,
    eligible: AtomicBool,
    failures: AtomicU32,
    metrics: OnceLock<Arc<InstanceMetrics>>,
}

/// What an endpoint that never reported has, as `f32`.
const NEVER: f32 = -1.0;

impl Default for EndpointState {
    fn default() -> Self {
        Self {
            active: AtomicU32::new(0),
            latency: PeakEwma::default(),
            reported_cpu: AtomicU32::new(NEVER.to_bits()),
            reported_memory: AtomicU32::new(NEVER.to_bits()),
            eligible: AtomicBool::new(true),
            failures: AtomicU32::new(0),
            metrics: OnceLock::new(),
        }
    }
}

impl EndpointState {
    /// Requests in flight.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// Counts a request in. Each call must be followed by one of [`EndpointState::leave`].
    pub fn enter(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
        if let Some(metrics) = self.metrics() {
            metrics.in_flight.inc();
        }
    }

    /// Counts a request out.
    pub fn leave(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
        if let Some(metrics) = self.metrics() {
            metrics.in_flight.dec();
        }
    }

    /// Where its requests are counted; nowhere before anything lists it.
    pub fn metrics(&self) -> Option<&InstanceMetrics> {
        self.metrics.get().map(|metrics| &**metrics)
    }

    /// The same, made before the first request if they are not there yet.
    pub fn metrics_or(&self, make: impl FnOnce() -> Arc<InstanceMetrics>) -> &InstanceMetrics {
        self.metrics.get_or_init(make)
    }

    /// Response time, as a peak-sensitive moving average.
    pub fn latency(&self) -> &PeakEwma {
        &self.latency
    }

    /// CPU and memory in use as the instance last said, 0 to 1; negative = never.
    pub fn reported(&self) -> (f32, f32) {
        let read = |cell: &AtomicU32| f32::from_bits(cell.load(Ordering::Relaxed));
        (read(&self.reported_cpu), read(&self.reported_memory))
    }

    /// Takes what an instance says about itself; `None`, or what is no number, leaves a value as it is.
    pub fn report(&self, cpu: Option<f32>, memory: Option<f32>) {
        for (cell, value) in [(&self.reported_cpu, cpu), (&self.reported_memory, memory)] {
            if let Some(value) = value.filter(|value| !value.is_nan()) {
                cell.store(value.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
            }
        }
    }

    /// Whether requests may go here right now. Sets list eligible endpoints; this is what holds
    /// between a change and the set that shows it.
    pub fn eligible(&self) -> bool {
        self.eligible.load(Ordering::Relaxed)
    }

    /// Counts a request that failed; returns how many did in a row.
    pub fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Notes a request that went well; returns whether any had failed before.
    pub fn succeeded(&self) -> bool {
        self.failures.load(Ordering::Relaxed) != 0 && self.failures.swap(0, Ordering::Relaxed) != 0
    }

    /// Takes the endpoint out of, or back into, rotation.
    pub fn set_eligible(&self, eligible: bool) {
        self.eligible.store(eligible, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_share_or_nothing() {
        let state = EndpointState::default();
        state.report(Some(f32::NAN), None);
        assert_eq!(state.reported(), (NEVER, NEVER));
        state.report(Some(0.5), Some(7.0));
        state.report(Some(f32::NAN), Some(f32::NEG_INFINITY));
        assert_eq!(state.reported(), (0.5, 0.0));
    }
}
