//! Alert rules' place in the process: what they are evaluated over, and who hears what came of it.

use std::sync::Arc;

use tokio::sync::watch;

use super::server::{RunError, system};
use crate::alert::rules::{Evaluation, Event};
use crate::alert::{self, Kept, RuleLoop, RulePlan, Sink, Source, Take};
use crate::config::{Alerts, Config};
use crate::model::UnixMillis;
use crate::registry::Registry;
use crate::telemetry::Metrics;

/// Where Linux keeps the machine's name.
const NODE_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// What is to be evaluated on this machine.
pub(super) fn plan(config: &Config) -> RulePlan {
    let Alerts { evaluation_interval, .. } = &config.alerts;
    let node = std::fs::read_to_string(NODE_NAME_FILE).unwrap_or_default();
    RulePlan { interval: *evaluation_interval, rules: config.alerts.rules_on(node.trim()) }
}

/// Starts the loop that evaluates rules.
pub(super) fn start(
    plan: watch::Receiver<Arc<RulePlan>>,
    metrics: &Metrics,
    registry: &Registry,
) -> Result<RuleLoop, RunError> {
    let source = Observed { metrics: metrics.clone(), registry: registry.clone() };
    let kept = Kept::default();
    alert::start(plan, Box::new(source), Box::new(Told), kept, metrics.alerts())
        .map_err(system("alert thread"))
}

/// The proxy's own metrics, and what the registry knows.
struct Observed {
    metrics: Metrics,
    registry: Registry,
}

impl Source for Observed {
    fn sample(&mut self, take: &mut Take<'_>) {
        self.metrics.sample(take);
        alert::sample(&self.registry.snapshot(), take);
    }
}

/// Says in the log what fires and what is over.
struct Told;

impl Sink for Told {
    fn evaluated(&mut self, evaluation: Evaluation, _: UnixMillis) {
        for transition in &evaluation.transitions {
            let (rule, value) = (transition.key.rule.as_str(), transition.value);
            let (labels, said) = (&transition.alert.labels, &transition.alert.annotations);
            let summary = said.get("summary").map_or("", String::as_str);
            match transition.event {
                Event::Firing => tracing::warn!(rule, value, ?labels, summary, "alert fires"),
                Event::Resolved => tracing::info!(rule, value, ?labels, summary, "alert is over"),
                Event::Pending | Event::Lapsed => {
                    tracing::debug!(rule, value, ?labels, event = ?transition.event, "alert changes");
                }
            }
        }
    }
}
