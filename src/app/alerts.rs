//! Alert rules' place in the process: what they are evaluated over, and who hears what came of it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::build::Channels as Components;
use super::server::{RunError, system};
use crate::alert::desk::{self, Channel, Desk, Memory, Running, Setup};
use crate::alert::rules::{Evaluation, Event};
use crate::alert::{self, RuleLoop, RulePlan, Sink, Source, Take};
use crate::config::{Alerts, Config};
use crate::model::{Notification, Receipt, SendFailure, UnixMillis};
use crate::plugin::alert_channel::AlertChannel;
use crate::registry::Registry;
use crate::telemetry::Metrics;

/// Where Linux keeps the machine's name.
const NODE_NAME_FILE: &str = "/proc/sys/kernel/hostname";

/// What is to be evaluated on this machine.
fn plan(config: &Config) -> RulePlan {
    let Alerts { evaluation_interval, .. } = &config.alerts;
    let node = std::fs::read_to_string(NODE_NAME_FILE).unwrap_or_default();
    RulePlan { interval: *evaluation_interval, rules: config.alerts.rules_on(node.trim()) }
}

/// What a reload tells those who see to alerts.
pub(super) struct Alerting {
    rules: watch::Sender<Arc<RulePlan>>,
    setup: watch::Sender<Option<Arc<Setup>>>,
    desk: Desk,
}

/// The threads that see to alerts. They end when this is dropped: nothing is evaluated any more, then nobody
/// is told.
pub(super) struct AlertThreads {
    _rules: RuleLoop,
    _desk: Running,
}

impl Alerting {
    /// Starts everything that sees to alerts.
    pub(super) fn start(
        config: &Config,
        metrics: &Metrics,
        registry: &Registry,
        memory: Memory,
    ) -> Result<(Self, AlertThreads), RunError> {
        let thread = || system("alert thread");
        let (set_up, setups) = watch::channel(None);
        let (desk, running, kept) =
            desk::start(setups, registry, memory, metrics.desk()).map_err(thread())?;
        let (tell_rules, rules) = watch::channel(Arc::new(plan(config)));
        let source = Observed { metrics: metrics.clone(), registry: registry.clone() };
        let told = Told { desk: desk.clone() };
        let (source, told) = (Box::new(source), Box::new(told));
        let looping = alert::start(rules, source, told, kept, metrics.alerts()).map_err(thread())?;
        let threads = AlertThreads { _rules: looping, _desk: running };
        Ok((Self { rules: tell_rules, setup: set_up, desk }, threads))
    }

    /// Whom to ask about alerts.
    pub(super) fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// Puts another configuration into effect.
    pub(super) fn publish(&self, config: &Config, components: &Components) {
        let channels = components.iter().map(|(name, component)| {
            let channel: Arc<dyn Channel> = Arc::new(ByComponent(component.clone()));
            (name.clone(), channel)
        });
        let setup = Setup { plan: config.alerts.paging.clone(), channels: channels.collect() };
        self.setup.send_replace(Some(Arc::new(setup)));
        self.rules.send_replace(Arc::new(plan(config)));
    }
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

/// Says in the log what fires and what is over, and hands it to the desk.
struct Told {
    desk: Desk,
}

impl Sink for Told {
    fn evaluated(&mut self, evaluation: Evaluation, now: UnixMillis) {
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
        if let Err(error) = self.desk.evaluated(evaluation, now) {
            tracing::warn!(%error, "alerts are told with the next evaluation");
        }
    }
}

/// A component, as the desk knows channels.
struct ByComponent(Arc<AlertChannel>);

#[async_trait]
impl Channel for ByComponent {
    async fn send(&self, notification: &Notification) -> Result<Receipt, SendFailure> {
        self.0.send(notification).await
    }

    fn max_per_minute(&self) -> Option<u32> {
        self.0.max_per_minute()
    }
}
