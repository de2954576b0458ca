//! The families of the registry, with their handles: there is one registry, so no series comes or goes.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use super::families::add;

/// Seconds. From a store in memory to a disk that is busy.
const COMMIT_SECONDS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Changes.
const BATCH_CHANGES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What the registry counts.
#[derive(Clone)]
pub struct RegistryMetrics {
    pub services: IntGauge,
    /// By status.
    pub instances: IntGaugeVec,
    /// By the word of their event.
    pub changes: IntCounterVec,
    pub commit_seconds: Histogram,
    pub batch_changes: Histogram,
    pub lapses: IntCounter,
    /// 1 while it suspects itself.
    pub self_preserving: IntGauge,
    pub events_dropped: IntCounter,
    pub store_errors: IntCounter,
    pub watchers_cut: IntCounter,
}

impl RegistryMetrics {
    /// Registers the families.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name, help| add(registry, IntCounter::new(name, help));
        let gauge = |name, help| add(registry, IntGauge::new(name, help));
        let histogram = |name, help, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            add(registry, Histogram::with_opts(opts))
        };
        Self {
            services: gauge("proconsul_registry_services", "Services that the registry knows."),
            instances: add(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "proconsul_registry_instances",
                        "Instances that the registry knows, by how well they are.",
                    ),
                    &["status"],
                ),
            ),
            changes: add(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "proconsul_registry_changes_total",
                        "Changes of membership and health, by the kind of their event.",
                    ),
                    &["kind"],
                ),
            ),
            commit_seconds: histogram(
                "proconsul_registry_commit_duration_seconds",
                "How long the store took to make a batch of changes durable.",
                COMMIT_SECONDS,
            ),
            batch_changes: histogram(
                "proconsul_registry_commit_changes",
                "Changes that were made durable together.",
                BATCH_CHANGES,
            ),
            lapses: counter(
                "proconsul_registry_ttl_lapses_total",
                "Instances that sent no heart-beat within their time-to-live.",
            ),
            self_preserving: gauge(
                "proconsul_registry_self_preserving",
                "1 while so many heart-beats stay away that the registry suspects itself.",
            ),
            events_dropped: counter(
                "proconsul_registry_events_dropped_total",
                "Events and audit records of reloads that were not written because the store was behind.",
            ),
            store_errors: counter(
                "proconsul_registry_store_errors_total",
                "Batches that the store did not keep.",
            ),
            watchers_cut: counter(
                "proconsul_admin_connections_cut_total",
                "Connections to the API that were cut off because their peer took nothing for too long.",
            ),
        }
    }
}

impl Default for RegistryMetrics {
    /// Counts for nobody.
    fn default() -> Self {
        Self::new(&Registry::new())
    }
}
