//! An alert channel at work: a checked component, its configuration, and what it may reach.

use std::sync::Arc;

use wasmtime::component::InstancePre;

use super::super::contract::AlertChannelExports;
use super::super::library::LoadedComponent;
use super::super::patient::{
    Authorities, Fault, Journal, MAX_BUSY, PatientState, Permit, Rules, Words, bounded,
};
use super::super::refusal::Refusal;
use super::super::seeds::Seeds;
use super::bindings::Error;
use super::instance::Instance;
use super::words::{failed, to_guest, to_model};
use crate::config::{AlertChannel as Settings, PluginLimits};
use crate::model::{ChannelName, Notification, Receipt, SendFailure};
use crate::telemetry::clock::coarse_ms;
use crate::telemetry::metrics::ChannelMetrics;

/// What a channel was built from, and what its instances need.
pub(super) struct Blueprint {
    pub settings: Settings,
    pub limits: PluginLimits,
    pub component: Arc<LoadedComponent>,
    pub exports: AlertChannelExports,
    pub pre: InstancePre<PatientState>,
    pub rules: Rules,
    pub authorities: Authorities,
    pub words: Words,
    pub seeds: Seeds,
    pub metrics: Arc<ChannelMetrics>,
}

/// One generation of a channel. Each sending has an instance of the component of its own, so that many may
/// be under way, and none is harmed by another's end. Who holds a generation ends with it what it began.
pub struct AlertChannel {
    blueprint: Blueprint,
}

impl AlertChannel {
    pub(super) fn new(blueprint: Blueprint) -> Self {
        Self { blueprint }
    }

    /// How many sendings may be begun in any minute.
    pub fn max_per_minute(&self) -> Option<u32> {
        self.blueprint.settings.max_per_minute
    }

    /// Has the component carry a notification, for as long as the channel's `timeout` at the most.
    ///
    /// To be awaited inside of a tokio runtime with IO and time. Dropping the future ends the sending.
    pub async fn send(&self, notification: &Notification) -> Result<Receipt, SendFailure> {
        let Blueprint { settings, rules, metrics, .. } = &self.blueprint;
        metrics.sends.inc();
        let carry = self.carry(notification, Permit::listed(rules.clone()), self.journal());
        match bounded(settings.timeout, MAX_BUSY, &metrics.cpu_seconds, carry).await {
            Ok(answer) => to_model(answer),
            Err(fault) => {
                metrics.faulted(fault.reason());
                self.tell(&fault);
                Err(failed(&fault))
            }
        }
    }

    /// Says in the log that the component failed, as often as it may write there itself.
    fn tell(&self, fault: &Fault) {
        let Blueprint { settings, words, metrics, .. } = &self.blueprint;
        if words.gate.lock().admit(coarse_ms()) {
            let channel = settings.name.as_str();
            tracing::warn!(target: "plugin", channel, %fault, "alert channel failed");
        } else {
            metrics.log_lines_dropped.inc();
        }
    }

    async fn carry(
        &self,
        notification: &Notification,
        permit: Permit,
        journal: Option<Arc<Journal>>,
    ) -> Result<Result<String, Error>, Fault> {
        let settings = &self.blueprint.settings;
        let mut instance = self.instantiate(journal).await?;
        let shown = to_guest(notification, &settings.name, settings.timeout);
        instance.send(shown, permit).await
    }

    /// A configured instance, which may reach nobody yet.
    async fn instantiate(&self, journal: Option<Arc<Journal>>) -> Result<Instance, Refusal> {
        let Blueprint { settings, exports, pre, authorities, words, seeds, .. } = &self.blueprint;
        let state = PatientState::new(
            settings.memory_bytes,
            self.no_permit(),
            authorities.clone(),
            words.clone(),
            seeds.clone(),
        );
        let mut instance = Instance::new(pre, exports, state.with_journal(journal)).await?;
        instance.configure(&settings.config_json).await?;
        Ok(instance)
    }

    /// Has it configured, and send something to nobody. Any answer will do.
    pub(super) async fn try_out(&self, sample: &Notification) -> Result<(), Refusal> {
        let deadline = self.blueprint.limits.setup_deadline;
        let failed = |export, fault: Fault| Refusal::Failed { export, fault: fault.words() };
        let setup = async { Ok(self.instantiate(None).await) };
        let spent = &self.blueprint.metrics.cpu_seconds;
        let mut instance = bounded(deadline, deadline, spent, setup)
            .await
            .map_err(|fault| failed("configure", fault))??;
        let shown = to_guest(sample, &self.blueprint.settings.name, deadline);
        bounded(deadline, MAX_BUSY, spent, instance.send(shown, self.no_permit()))
            .await
            .map_err(|fault| failed("send", fault))
            .map(|_| ())
    }

    fn journal(&self) -> Option<Arc<Journal>> {
        let path = self.blueprint.settings.file.clone()?;
        Some(Arc::new(Journal::new(path)))
    }

    /// A permission to reach nobody, where nobody is told.
    fn no_permit(&self) -> Permit {
        let mut rules = self.blueprint.rules.clone();
        rules.denials.counters = None;
        Permit::none(&rules)
    }

    /// Whether building from these would give the same again.
    pub(super) fn is_built_from(
        &self,
        settings: &Settings,
        limits: &PluginLimits,
        digest: &str,
    ) -> bool {
        let own = &self.blueprint;
        own.settings == *settings && own.limits == *limits && own.component.digest() == digest
    }

    /// SHA-256 of the component file, in hex.
    pub fn digest(&self) -> &str {
        self.blueprint.component.digest()
    }

    /// The channel that it is.
    pub fn name(&self) -> &ChannelName {
        &self.blueprint.settings.name
    }
}
