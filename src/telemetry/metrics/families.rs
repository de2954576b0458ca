//! Names, help texts, labels and buckets of every family, in one place to read.

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::{
    CounterVec, Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, core::Collector,
};

use super::door::DoorMetrics;
use super::known;
use super::traffic::TrafficFamilies;

/// Seconds. From a cache's answer to a slow report's, about 2.5 × apart.
const REQUEST_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Seconds. A pick takes 0.2 µs when all is well; the last one is its default deadline.
const PICK_SECONDS: &[f64] = &[2e-7, 3e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 1e-4, 1e-3, 1e-2];

pub(super) struct Families {
    /// Whether requests are counted; what is in flight always is.
    pub counting: AtomicBool,
    pub requests: IntCounterVec,
    pub request_seconds: HistogramVec,
    pub in_flight: IntGaugeVec,
    pub connect_failures: IntCounterVec,
    pub endpoints: IntGaugeVec,
    pub panicking: IntGaugeVec,
    pub picks: IntCounterVec,
    pub fallbacks: IntCounterVec,
    pub traps: IntCounterVec,
    pub pick_seconds: HistogramVec,
    pub plugin_cpu: CounterVec,
    pub plugin_memory: IntGaugeVec,
    pub plugin_slots: IntGaugeVec,
    pub tripped: IntGaugeVec,
    pub log_lines_dropped: IntCounterVec,
    pub feedback_skipped: IntCounterVec,
    pub plugin_checks: IntCounterVec,
    pub check_faults: IntCounterVec,
    pub connections_denied: IntCounterVec,
    pub check_log_lines_dropped: IntCounterVec,
    pub check_instances_idle: IntGaugeVec,
    pub check_cpu: CounterVec,
    pub check_memory: IntGaugeVec,
    pub channel_sends: IntCounterVec,
    pub channel_faults: IntCounterVec,
    pub channel_connections_denied: IntCounterVec,
    pub channel_log_lines_dropped: IntCounterVec,
    pub channel_cpu: CounterVec,
    pub channel_memory: IntGaugeVec,
    pub reloads: IntCounterVec,
    pub last_reload_successful: IntGauge,
    pub last_reload_seconds: Gauge,
    pub door: DoorMetrics,
    pub traffic: TrafficFamilies,
}

/// Registers a family. Its name and labels are constants, so it cannot fail.
pub(super) fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    family: prometheus::Result<C>,
) -> C {
    let family = family.expect("names and labels are well-formed constants");
    known::note(&family);
    registry.register(Box::new(family.clone())).expect("each family is registered once");
    family
}

impl Families {
    /// Whether requests are counted.
    pub(super) fn are_counting(&self) -> bool {
        self.counting.load(Ordering::Relaxed)
    }

    pub(super) fn new(registry: &Registry) -> Self {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let seconds = |name: &str, help: &str, labels: &[&str]| {
            add(registry, CounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            add(registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, help: &str, labels: &[&str], buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            add(registry, HistogramVec::new(opts, labels))
        };
        let request = &["service", "route", "status_class"];
        let plugin = &["service", "strategy"];
        let check = &["check"];
        let channel = &["channel"];
        let build = add(
            registry,
            GaugeVec::new(
                Opts::new("proconsul_build_info", "The running version; always 1."),
                &["version"],
            ),
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1.0);

        let traffic = TrafficFamilies::new(registry);
        Self {
            counting: AtomicBool::new(true),
            requests: counters(
                "proconsul_http_requests_total",
                "Requests that were answered, by the class of the status that the client got.",
                request,
            ),
            request_seconds: histograms(
                "proconsul_http_request_duration_seconds",
                "From the request's header read to the response's last byte written.",
                request,
                REQUEST_SECONDS,
            ),
            in_flight: gauges(
                "proconsul_http_requests_in_flight",
                "Requests that are being served right now.",
                &["service", "route"],
            ),
            connect_failures: counters(
                "proconsul_upstream_connect_failures_total",
                "Connections to an endpoint that could not be made.",
                &["service", "route"],
            ),
            endpoints: gauges(
                "proconsul_service_endpoints",
                "Endpoints of the service that take requests right now.",
                &["service"],
            ),
            panicking: gauges(
                "proconsul_service_panicking",
                "1 while too few endpoints of the service are well, and requests go to all of them.",
                &["service"],
            ),
            picks: counters(
                "proconsul_plugin_picks_total",
                "Picks that a strategy was asked for.",
                plugin,
            ),
            fallbacks: counters(
                "proconsul_plugin_fallbacks_total",
                "Picks that the native fallback made because the strategy gave no usable answer.",
                &["service", "strategy", "reason"],
            ),
            traps: counters(
                "proconsul_plugin_traps_total",
                "Calls that ended in a trap, an overrun included, by the export that was called.",
                &["service", "strategy", "export"],
            ),
            pick_seconds: histograms(
                "proconsul_plugin_pick_duration_seconds",
                "How long a pick takes, slot checkout included; one pick in 64 is timed.",
                plugin,
                PICK_SECONDS,
            ),
            plugin_cpu: seconds(
                "proconsul_plugin_cpu_seconds_total",
                "Processor time of the strategy's picks, estimated from one in 64.",
                plugin,
            ),
            plugin_memory: gauges(
                "proconsul_plugin_memory_bytes",
                "Linear memory of all of the strategy's instances.",
                plugin,
            ),
            plugin_slots: gauges(
                "proconsul_plugin_slots",
                "Instances of the strategy that are ready to pick.",
                plugin,
            ),
            tripped: gauges(
                "proconsul_plugin_tripped",
                "1 while the strategy rests after repeated failures and the fallback serves.",
                plugin,
            ),
            log_lines_dropped: counters(
                "proconsul_plugin_log_lines_dropped_total",
                "Log lines of the strategy above its limit.",
                plugin,
            ),
            feedback_skipped: counters(
                "proconsul_plugin_feedback_skipped_total",
                "Outcomes that a strategy did not hear of because its slots were in use.",
                plugin,
            ),
            plugin_checks: counters(
                "proconsul_plugin_checks_total",
                "Checks of an instance that a component was asked for.",
                check,
            ),
            check_faults: counters(
                "proconsul_plugin_check_faults_total",
                "Checks to which a component gave no answer, by what it did instead.",
                &["check", "reason"],
            ),
            connections_denied: counters(
                "proconsul_plugin_connections_denied_total",
                "Attempts of a component to reach what it must not.",
                check,
            ),
            check_log_lines_dropped: counters(
                "proconsul_plugin_check_log_lines_dropped_total",
                "Log lines of a check's component above its limit.",
                check,
            ),
            check_instances_idle: gauges(
                "proconsul_plugin_check_instances_idle",
                "Instances of a check's component that wait for their next check.",
                check,
            ),
            check_cpu: seconds(
                "proconsul_plugin_check_cpu_seconds_total",
                "Time that a check's component computed, as against waited.",
                check,
            ),
            check_memory: gauges(
                "proconsul_plugin_check_memory_bytes",
                "Linear memory of all instances of a check's component.",
                check,
            ),
            channel_sends: counters(
                "proconsul_plugin_channel_sends_total",
                "Notifications that a channel's component was asked to send, each try.",
                channel,
            ),
            channel_faults: counters(
                "proconsul_plugin_channel_faults_total",
                "Sendings in which a channel's component failed, by how.",
                &["channel", "reason"],
            ),
            channel_connections_denied: counters(
                "proconsul_plugin_channel_connections_denied_total",
                "Attempts of a channel's component to reach what it must not.",
                channel,
            ),
            channel_log_lines_dropped: counters(
                "proconsul_plugin_channel_log_lines_dropped_total",
                "Log lines of a channel's component above its limit.",
                channel,
            ),
            channel_cpu: seconds(
                "proconsul_plugin_channel_cpu_seconds_total",
                "Time that a channel's component computed, as against waited.",
                channel,
            ),
            channel_memory: gauges(
                "proconsul_plugin_channel_memory_bytes",
                "Linear memory of all instances of a channel's component.",
                channel,
            ),
            reloads: counters(
                "proconsul_config_reloads_total",
                "Reloads, by whether they took effect.",
                &["result"],
            ),
            last_reload_successful: add(
                registry,
                IntGauge::new(
                    "proconsul_config_last_reload_successful",
                    "1 when the newest configuration is in effect, 0 when it was refused.",
                ),
            ),
            last_reload_seconds: add(
                registry,
                Gauge::new(
                    "proconsul_config_last_reload_success_timestamp_seconds",
                    "When the configuration in effect was loaded, as a Unix time.",
                ),
            ),
            door: DoorMetrics::new(registry, traffic.lag("proxy")),
            traffic,
        }
    }
}
