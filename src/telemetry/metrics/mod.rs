//! The metric families, by Prometheus's conventions: base units, `_total` for counters.
//!
//! Handles are resolved when a snapshot is built, never on the request path. A handle's series
//! leaves the exposition when its last holder drops it, so that reloads do not pile them up.

mod alert;
mod by_word;
mod channel;
mod checker;
mod desk;
mod door;
mod export;
mod families;
mod health;
mod instance;
mod known;
mod lag;
mod log;
mod plugin;
mod registry;
mod route;
mod samples;
mod series;
mod service;
mod store_connections;
mod traffic;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, Registry, TextEncoder};

pub use alert::AlertMetrics;
pub use channel::ChannelMetrics;
pub use checker::CheckerMetrics;
pub use desk::DeskMetrics;
pub use door::DoorMetrics;
use export::ExportFamilies;
pub use export::ExportMetrics;
use families::Families;
pub use health::HealthMetrics;
pub use instance::{InstanceMetrics, TryEnd};
pub use known::{FamilyKind, KnownFamily, known_families};
pub use lag::measure_lag;
use log::LogFamilies;
pub use log::LogMetrics;
pub use plugin::PluginMetrics;
pub use registry::RegistryMetrics;
pub use route::{RouteMetrics, StatusClass};
pub use samples::TakeSample;
use series::SeriesTable;
pub use service::ServiceMetrics;
use store_connections::StoreConnections;

/// Every family, and the handles that are in use.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    families: Arc<Families>,
    service_registry: RegistryMetrics,
    health: HealthMetrics,
    export: ExportFamilies,
    log: LogFamilies,
    alerts: AlertMetrics,
    desk: DeskMetrics,
    store: StoreConnections,
    routes: Arc<SeriesTable<RouteMetrics>>,
    plugins: Arc<SeriesTable<PluginMetrics>>,
    services: Arc<SeriesTable<ServiceMetrics>>,
    checkers: Arc<SeriesTable<CheckerMetrics>>,
    channels: Arc<SeriesTable<ChannelMetrics>>,
    logs: Arc<SeriesTable<LogMetrics>>,
    instances: Arc<Instances>,
}

/// The handles of instances, of which there are no more than allowed.
struct Instances {
    table: SeriesTable<InstanceMetrics>,
    most: AtomicUsize,
    complained: AtomicBool,
}

/// What the instances above the limit are counted as.
const OTHER: &str = "other";

/// Instances with series of their own, until a configuration says otherwise.
const MOST_INSTANCES: usize = 500;

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers the families.
    pub fn new() -> Self {
        let registry = Registry::new();
        let process = ProcessCollector::for_self();
        registry.register(Box::new(process)).expect("each family is registered once");
        let families = Arc::new(Families::new(&registry));
        families.last_reload_successful.set(1); // nothing was refused yet
        let service_registry = RegistryMetrics::new(&registry);
        let health = HealthMetrics::new(&registry);
        let export = ExportFamilies::new(&registry);
        let log = LogFamilies::new(&registry);
        let alerts = AlertMetrics::new(&registry);
        let desk = DeskMetrics::new(&registry);
        let store = StoreConnections::new(&registry);
        let (routes, plugins, services, checkers, channels, logs) = Default::default();
        let instances = Arc::new(Instances {
            table: SeriesTable::default(),
            most: AtomicUsize::new(MOST_INSTANCES),
            complained: AtomicBool::new(false),
        });
        Self {
            registry,
            families,
            service_registry,
            health,
            export,
            log,
            alerts,
            desk,
            store,
            routes,
            plugins,
            services,
            checkers,
            channels,
            logs,
            instances,
        }
    }

    /// Shows how many connections of the registry's store are used, and how many idle, by asking this.
    pub fn show_store(&self, look: impl Fn() -> Option<[usize; 2]> + Send + Sync + 'static) {
        self.store.ask(Box::new(look));
    }

    /// Whether requests are counted from now on.
    pub fn count_requests(&self, counting: bool) {
        self.families.counting.store(counting, Ordering::Relaxed);
    }

    /// From now on, so many instances get series of their own; those that have some keep them.
    pub fn limit_instances(&self, most: usize) {
        self.instances.most.store(most, Ordering::Relaxed);
    }

    /// The handles of an instance. Above the limit, those of all others of its service together.
    pub fn instance(&self, service: &str, instance: &str) -> Arc<InstanceMetrics> {
        let Instances { table, most, complained } = &*self.instances;
        if let Some(held) = table.held(&[service, instance]) {
            return held;
        }
        let make = |instance: &str, is_one: bool| {
            table.get(&[service, instance], |lease| {
                InstanceMetrics::new(self.families.clone(), service, instance, is_one, lease)
            })
        };
        let most = most.load(Ordering::Relaxed);
        if table.len() < most {
            return make(instance, true);
        }
        self.families.traffic.folded.inc();
        if !complained.swap(true, Ordering::Relaxed) {
            tracing::warn!(most, "further instances have no series of their own");
        }
        make(OTHER, false)
    }

    /// How late the loop `name` is.
    pub fn lag(&self, name: &str) -> prometheus::Histogram {
        self.families.traffic.lag(name)
    }

    /// Every family with its series, as they are now.
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// The handles of the registry of services.
    pub fn service_registry(&self) -> RegistryMetrics {
        self.service_registry.clone()
    }

    /// The handles of the health loop.
    pub fn health(&self) -> HealthMetrics {
        self.health.clone()
    }

    /// The handles of what is exported of a signal.
    pub fn export(&self, signal: &str) -> ExportMetrics {
        self.export.signal(signal)
    }

    /// The handles of alert rules.
    pub fn desk(&self) -> DeskMetrics {
        self.desk.clone()
    }

    /// The handles of the loop that evaluates rules.
    pub fn alerts(&self) -> AlertMetrics {
        self.alerts.clone()
    }

    /// Hands over every series with its value, as it is exposed: a histogram's buckets with `le`, its sum
    /// and its count are series of their own.
    pub fn sample(&self, take: &mut TakeSample<'_>) {
        samples::each(&self.registry.gather(), take);
    }

    /// The handles of a route's requests; `service` is empty for one that answers by itself.
    pub fn route(&self, service: &str, route: &str) -> Arc<RouteMetrics> {
        self.routes.get(&[service, route], |lease| {
            RouteMetrics::new(self.families.clone(), service, route, lease)
        })
    }

    /// The handles of a service's endpoints.
    pub fn service(&self, service: &str) -> Arc<ServiceMetrics> {
        self.services
            .get(&[service], |lease| ServiceMetrics::new(self.families.clone(), service, lease))
    }

    /// The handles of a strategy's work for a service. `reasons` are those for which the fallback
    /// may pick instead, the same at each call.
    pub fn plugin(
        &self,
        service: &str,
        strategy: &str,
        reasons: &[&'static str],
    ) -> Arc<PluginMetrics> {
        self.plugins.get(&[service, strategy], |lease| {
            PluginMetrics::new(self.families.clone(), service, strategy, reasons, lease)
        })
    }

    /// The handles of a health check that a component makes. `reasons` are those for which it may give
    /// no answer, the same at each call.
    pub fn checker(&self, check: &str, reasons: &[&'static str]) -> Arc<CheckerMetrics> {
        self.checkers.get(&[check], |lease| {
            CheckerMetrics::new(self.families.clone(), check, reasons, lease)
        })
    }

    /// The handles of an alert channel's component. `reasons` are those for which it may fail, the same at
    /// each call.
    pub fn channel(&self, channel: &str, reasons: &[&'static str]) -> Arc<ChannelMetrics> {
        self.channels.get(&[channel], |lease| {
            ChannelMetrics::new(self.families.clone(), channel, reasons, lease)
        })
    }

    /// Counts a reload that took effect, at `unix_seconds`.
    pub fn reload_succeeded(&self, unix_seconds: f64) {
        self.families.reloads.with_label_values(&["success"]).inc();
        self.families.last_reload_successful.set(1);
        self.families.last_reload_seconds.set(unix_seconds);
    }

    /// Counts a reload that was refused.
    pub fn reload_refused(&self) {
        self.families.reloads.with_label_values(&["refused"]).inc();
        self.families.last_reload_successful.set(0);
    }

    /// The handles of one log writer.
    pub fn log(&self, writer: &str) -> Arc<LogMetrics> {
        self.logs.get(&[writer], |lease| self.log.writer(writer, lease))
    }

    /// The handles of what happens before there is a request.
    pub fn door(&self) -> DoorMetrics {
        self.families.door.clone()
    }

    /// Requests that are being served right now, over all routes.
    pub fn requests_in_flight(&self) -> i64 {
        let families = prometheus::core::Collector::collect(&self.families.in_flight);
        let metrics = families.iter().flat_map(|family| family.get_metric());
        metrics.map(|metric| metric.get_gauge().get_value() as i64).sum()
    }

    /// Everything in Prometheus's text format.
    pub fn render(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("gathered families are well-formed, and a Vec takes every write");
        String::from_utf8(text).expect("labels and names are UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_series_lives_as_long_as_its_last_holder() {
        let metrics = Metrics::new();
        let first = metrics.route("web", "api");
        let second = metrics.route("web", "api");
        first.finished(StatusClass::of(200), 0.01);
        drop(first);
        assert!(metrics.render().contains(r#"service="web""#));
        drop(second);
        assert!(!metrics.render().contains(r#"service="web""#));
    }

    #[test]
    fn instances_above_the_limit_are_counted_together() {
        let metrics = Metrics::new();
        metrics.limit_instances(2);
        let all = ["a", "b", "c", "d"].map(|id| metrics.instance("web", id));
        all.iter().for_each(|instance| instance.answered(200, 0.01));
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        all[3].set_up(true, at(7));
        for (is_up, seconds) in [(true, 7), (false, 8), (true, 9), (true, 10)] {
            all[0].set_up(is_up, at(seconds));
        }
        let text = metrics.render();
        let requests = |instance: &str, count: u32| {
            let labels = format!(r#"{{instance="{instance}",result="success",service="web"}}"#);
            text.contains(&format!("proconsul_instance_requests_total{labels} {count}"))
        };
        assert!(requests("a", 1) && requests("b", 1) && requests("other", 2), "{text}");
        assert!(text.contains("proconsul_metrics_instances_folded_total 2"), "{text}");
        assert!(!text.contains(r#"proconsul_instance_up{instance="other""#), "{text}");
        let since = r#"proconsul_instance_up_since_seconds{instance="a",service="web"} 9"#;
        assert!(text.contains(since), "{text}");
        drop(all);
        assert!(!metrics.render().contains(r#"service="web""#));
    }

    #[test]
    fn a_try_that_is_answered_with_a_failure_is_no_success() {
        let metrics = Metrics::new();
        let instance = metrics.instance("web", "a");
        [200, 404, 499, 500, 503].iter().for_each(|status| instance.answered(*status, 0.01));
        let text = metrics.render();
        for (result, count) in [("success", 3), ("error", 2)] {
            let labels = format!(r#"{{instance="a",result="{result}",service="web"}}"#);
            let line = format!("proconsul_instance_requests_total{labels} {count}");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }

    #[test]
    fn what_went_wrong_is_counted_by_the_proxys_words() {
        let metrics = Metrics::new();
        let route = metrics.route("web", "api");
        route.erred("upstream_timeout");
        route.moved(3, 7, 3);
        let text = metrics.render();
        let labels = r#"{kind="upstream_timeout",route="api",service="web"}"#;
        assert!(text.contains(&format!("proconsul_http_errors_total{labels} 1")), "{text}");
        for (family, count) in
            [("retries", 2), ("request_body_bytes", 3), ("response_body_bytes", 7)]
        {
            let line =
                format!(r#"proconsul_http_{family}_total{{route="api",service="web"}} {count}"#);
            assert!(text.contains(&line), "{line}: {text}");
        }
        drop(route);
        assert!(!metrics.render().contains(r#"service="web""#));
    }

    #[test]
    fn a_reason_has_a_series_from_its_first_event_to_its_last_holder() {
        let metrics = Metrics::new();
        let plugin = metrics.plugin("web", "mine", &["busy", "trap"]);
        assert!(!metrics.render().contains("reason="));
        plugin.fell_back(1);
        plugin.fell_back(1);
        plugin.trapped("pick");
        let text = metrics.render();
        let labels = r#"{reason="trap",service="web",strategy="mine"}"#;
        assert!(text.contains(&format!("proconsul_plugin_fallbacks_total{labels} 2")), "{text}");
        assert!(text.contains(r#"proconsul_plugin_traps_total{export="pick""#), "{text}");
        assert!(!text.contains("busy"), "{text}");
        drop(plugin);
        assert!(!metrics.render().contains(r#"service="web""#));
    }

    #[test]
    fn what_a_checks_component_does_is_counted_while_there_is_one() {
        let metrics = Metrics::new();
        let checker = metrics.checker("db", &["trap", "deadline"]);
        checker.connections_denied.inc();
        checker.faulted(1);
        let text = metrics.render();
        assert!(
            text.contains(r#"proconsul_plugin_connections_denied_total{check="db"} 1"#),
            "{text}"
        );
        let fault = r#"proconsul_plugin_check_faults_total{check="db",reason="deadline"} 1"#;
        assert!(text.contains(fault), "{text}");
        assert!(!text.contains("trap\""), "{text}");
        drop(checker);
        assert!(!metrics.render().contains(r#"check="db""#));
    }

    #[test]
    fn the_registry_counts_in_families_that_are_there_from_the_start() {
        let metrics = Metrics::new();
        metrics.service_registry().lapses.inc();
        let text = metrics.render();
        assert!(text.contains("proconsul_registry_ttl_lapses_total 1"), "{text}");
        assert!(text.contains("proconsul_registry_self_preserving 0"), "{text}");
    }

    #[test]
    fn a_refused_reload_is_visible() {
        let metrics = Metrics::new();
        assert!(metrics.render().contains("proconsul_config_last_reload_successful 1"));
        metrics.reload_succeeded(1.5);
        metrics.reload_refused();
        let text = metrics.render();
        assert!(text.contains(r#"proconsul_config_reloads_total{result="refused"} 1"#), "{text}");
        assert!(text.contains("proconsul_config_last_reload_successful 0"), "{text}");
    }
}
