//! Kinds of rules: everything that a rule may say, said already. A rule takes one and says what is different.

use std::time::Duration;

use super::expression::{Comparison, Fold, Function};
use super::facts::{CONNECTIONS, DEPENDENCY, FAILING_CHECKS, INSTANCES, LOAD};
use super::human::Unit;

const REQUESTS: &str = "proconsul_http_requests_total";

/// A kind of rule.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    pub name: &'static str,
    /// `None` where the rule has to name one.
    pub metric: Option<&'static str>,
    /// What labels must be like.
    pub labels: &'static [(&'static str, &'static str)],
    pub function: Function,
    pub window: Duration,
    pub quantile: Option<f64>,
    pub fold: Fold,
    /// `None`: each series is by itself.
    pub by: Option<&'static [&'static str]>,
    /// The metric that is divided by, all of it.
    pub divisor: Option<&'static str>,
    /// It is about there being no data.
    pub absent: bool,
    /// The divisor must be as large as this.
    pub least: f64,
    pub comparison: Comparison,
    /// `None` where the rule has to say it: then the kind is no ready-made rule.
    pub threshold: Option<f64>,
    pub unit: Unit,
    pub hold: Duration,
    pub severity: &'static str,
    /// It is about the proxy itself: its alerts have the label `node`.
    pub of_node: bool,
    pub summary: &'static str,
}

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// A number beyond a threshold, with nothing said yet.
pub const PLAIN: Preset = Preset {
    name: "",
    metric: None,
    labels: &[],
    function: Function::Last,
    window: FIVE_MINUTES,
    quantile: None,
    fold: Fold::Sum,
    by: None,
    divisor: None,
    absent: false,
    least: 0.0,
    comparison: Comparison::Above,
    threshold: None,
    unit: Unit::Plain,
    hold: Duration::ZERO,
    severity: "warning",
    of_node: false,
    summary: "{{ expression }} is {{ value }} (threshold {{ threshold }})",
};

const BY_SERVICE: Option<&[&str]> = Some(&["service"]);
const BY_KEY: Option<&[&str]> = Some(&["namespace", "service"]);

/// Requests for which there is a route to a service.
const ROUTED: &[(&str, &str)] = &[("service", "!")];

const fn resource(name: &'static str, labels: &'static [(&'static str, &'static str)]) -> Preset {
    Preset {
        name,
        metric: Some(LOAD),
        labels,
        threshold: Some(0.9),
        unit: Unit::Share,
        hold: FIVE_MINUTES,
        summary: "{{ instance }} of {{ service }} uses {{ value }} of its {{ resource }} (limit {{ threshold }})",
        ..PLAIN
    }
}

/// All kinds.
pub const PRESETS: [Preset; 21] = [
    Preset {
        name: "error-rate",
        metric: Some(REQUESTS),
        labels: &[("status_class", "5xx")],
        function: Function::Increase,
        by: BY_SERVICE,
        divisor: Some(REQUESTS),
        least: 10.0,
        threshold: Some(0.05),
        unit: Unit::Share,
        hold: MINUTE,
        severity: "critical",
        summary: "{{ value }} of the requests to {{ service }} failed in {{ window }} (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "latency",
        metric: Some("proconsul_http_request_duration_seconds"),
        labels: ROUTED,
        function: Function::Increase,
        quantile: Some(0.99),
        by: BY_SERVICE,
        threshold: Some(1.0),
        unit: Unit::Seconds,
        hold: FIVE_MINUTES,
        summary: "{{ service }} answers within {{ value }} at the quantile asked for (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "throughput",
        metric: Some(REQUESTS),
        labels: ROUTED,
        function: Function::Rate,
        by: BY_SERVICE,
        comparison: Comparison::Below,
        hold: FIVE_MINUTES,
        summary: "{{ service }} gets {{ value }} requests a second (at least {{ threshold }} are expected)",
        ..PLAIN
    },
    Preset {
        name: "unhealthy-instances",
        metric: Some(INSTANCES),
        labels: &[("status", "critical")],
        by: BY_KEY,
        threshold: Some(0.0),
        hold: MINUTE,
        summary: "{{ value }} instances of {{ service }} are critical",
        ..PLAIN
    },
    Preset {
        name: "healthy-share",
        metric: Some(INSTANCES),
        labels: &[("status", "passing|warning")],
        by: BY_KEY,
        divisor: Some(INSTANCES),
        least: 1.0,
        comparison: Comparison::Below,
        threshold: Some(0.5),
        unit: Unit::Share,
        hold: MINUTE,
        severity: "critical",
        summary: "only {{ value }} of the instances of {{ service }} are well (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "no-instance",
        metric: Some(INSTANCES),
        labels: &[("status", "passing|warning")],
        by: BY_KEY,
        comparison: Comparison::Below,
        threshold: Some(1.0),
        hold: Duration::from_secs(30),
        severity: "critical",
        summary: "{{ service }} has no instance that is well",
        ..PLAIN
    },
    Preset {
        name: "check-failures",
        metric: Some(FAILING_CHECKS),
        by: Some(&["check", "namespace", "service"]),
        threshold: Some(0.0),
        hold: MINUTE,
        summary: "the check {{ check }} fails for {{ value }} instances of {{ service }}",
        ..PLAIN
    },
    resource("cpu", &[("resource", "cpu")]),
    resource("memory", &[("resource", "memory")]),
    resource("disk", &[("resource", "disk")]),
    Preset {
        name: "connections",
        metric: Some(CONNECTIONS),
        hold: FIVE_MINUTES,
        summary: "{{ instance }} of {{ service }} works on {{ value }} requests (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "dependency",
        metric: Some(DEPENDENCY),
        comparison: Comparison::Below,
        threshold: Some(0.5),
        unit: Unit::Share,
        hold: MINUTE,
        severity: "critical",
        summary: "{{ service }} depends on {{ dependency }}, of which only {{ value }} is well",
        ..PLAIN
    },
    Preset {
        name: "plugin-tripped",
        metric: Some("proconsul_plugin_tripped"),
        threshold: Some(0.0),
        summary: "the strategy {{ strategy }} of {{ service }} failed too often, the fallback picks",
        ..PLAIN
    },
    Preset {
        name: "plugin-fallbacks",
        metric: Some("proconsul_plugin_fallbacks_total"),
        function: Function::Increase,
        by: Some(&["service", "strategy"]),
        divisor: Some("proconsul_plugin_picks_total"),
        least: 10.0,
        threshold: Some(0.01),
        unit: Unit::Share,
        hold: MINUTE,
        summary: "the fallback made {{ value }} of the picks of {{ strategy }} for {{ service }}",
        ..PLAIN
    },
    Preset {
        name: "reload-refused",
        metric: Some("proconsul_config_last_reload_successful"),
        comparison: Comparison::Below,
        threshold: Some(1.0),
        of_node: true,
        summary: "the newest configuration was refused on {{ node }}, the former one stays",
        ..PLAIN
    },
    Preset {
        name: "proxy-cpu",
        metric: Some("process_cpu_seconds_total"),
        function: Function::Rate,
        hold: FIVE_MINUTES,
        of_node: true,
        summary: "the proxy on {{ node }} uses {{ value }} cores (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "proxy-memory",
        metric: Some("process_resident_memory_bytes"),
        unit: Unit::Bytes,
        hold: FIVE_MINUTES,
        of_node: true,
        summary: "the proxy on {{ node }} uses {{ value }} of memory (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "proxy-open-files",
        metric: Some("process_open_fds"),
        by: Some(&[]),
        divisor: Some("process_max_fds"),
        threshold: Some(0.8),
        unit: Unit::Share,
        hold: MINUTE,
        of_node: true,
        summary: "the proxy on {{ node }} has {{ value }} of the files open that it may (limit {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "growth",
        function: Function::Delta,
        summary: "{{ expression }} is {{ value }} (threshold {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "change",
        function: Function::Change,
        unit: Unit::Share,
        summary: "{{ expression }} is {{ value }} (threshold {{ threshold }})",
        ..PLAIN
    },
    Preset {
        name: "absent",
        absent: true,
        threshold: Some(0.0),
        hold: FIVE_MINUTES,
        summary: "there is no data: {{ expression }}",
        ..PLAIN
    },
];

/// A kind by its name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// Whether it is a rule as it stands.
    pub fn is_ready_made(&self) -> bool {
        self.metric.is_some() && self.threshold.is_some()
    }
}
