//! A health check at work: a checked component, its configuration, and instances to check with.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::Counter;
use wasmtime::component::InstancePre;

use super::super::contract::HealthCheckExports;
use super::super::library::LoadedComponent;
use super::super::patient::{
    Authorities, Fault, MAX_BUSY, PatientState, Permit, Rules, Words, bounded,
};
use super::super::refusal::Refusal;
use super::super::seeds::Seeds;
use super::instance::Instance;
use super::target::Target;
use crate::config::PluginLimits;
use crate::model::{CheckName, PluginCheck, Verdict};
use crate::telemetry::clock::coarse_ms;
use crate::telemetry::metrics::CheckerMetrics;

/// Instances that wait for their next check; more are thrown away. Checks take milliseconds as a rule, so
/// few are under way at a time; when many wait for a server that does not answer, these are enough
/// to go on with.
const MAX_IDLE: usize = 64;

/// Checks after which an instance is thrown away, so that what it leaks does not grow for ever.
const MAX_CHECKS: u32 = 10_000;

/// What a checker was built from, and what its instances need.
pub(super) struct Blueprint {
    pub name: CheckName,
    pub check: PluginCheck,
    pub limits: PluginLimits,
    pub component: Arc<LoadedComponent>,
    pub exports: HealthCheckExports,
    pub pre: InstancePre<PatientState>,
    pub rules: Rules,
    pub authorities: Authorities,
    pub words: Words,
    pub seeds: Seeds,
    pub metrics: Arc<CheckerMetrics>,
}

/// One generation of a check that a component makes. Many checks may be under way at a time, each
/// with an instance of its own.
pub struct HealthChecker {
    blueprint: Blueprint,
    idle: Mutex<Vec<Instance>>,
}

impl HealthChecker {
    pub(super) fn new(blueprint: Blueprint) -> Self {
        Self { blueprint, idle: Mutex::default() }
    }

    /// Has the component look at an instance, for as long as `deadline` at the most.
    ///
    /// To be awaited inside of a tokio runtime with IO and time. Dropping the future ends the check.
    pub async fn check(&self, target: &Target, deadline: Duration) -> Result<Verdict, Fault> {
        let metrics = &self.blueprint.metrics;
        metrics.checks.inc();
        let result =
            bounded(deadline, MAX_BUSY, &metrics.cpu_seconds, self.look(target, deadline)).await;
        if let Err(fault) = &result {
            metrics.faulted(fault.reason());
            self.tell(target, fault);
        }
        result
    }

    /// Where its computing is counted.
    pub(super) fn spent(&self) -> &Counter {
        &self.blueprint.metrics.cpu_seconds
    }

    /// Says in the log that the component failed, as often as it may write there itself.
    fn tell(&self, target: &Target, fault: &Fault) {
        if self.blueprint.words.gate.lock().admit(coarse_ms()) {
            let (check, record) = (self.blueprint.name.as_str(), &target.record);
            let instance = format!("{}/{}", record.service, record.id);
            tracing::warn!(target: "plugin", check, instance, %fault, "health check gave no verdict");
        } else {
            self.blueprint.metrics.log_lines_dropped.inc();
        }
    }

    async fn look(&self, target: &Target, deadline: Duration) -> Result<Verdict, Fault> {
        let mut instance = match self.take_idle() {
            Some(instance) => instance,
            None => self.instantiate(Permit::none(&self.blueprint.rules)).await?,
        };
        let permit = target.permit(self.blueprint.rules.clone());
        // An instance that fails is dropped here, and so is one whose check is given up.
        let verdict = instance.check(target.to_guest(deadline), permit).await?;
        self.put_back(instance);
        Ok(verdict)
    }

    fn take_idle(&self) -> Option<Instance> {
        let mut idle = self.idle.lock();
        let instance = idle.pop();
        self.blueprint.metrics.idle.set(idle.len() as i64);
        instance
    }

    fn put_back(&self, mut instance: Instance) {
        if self.blueprint.check.fresh || instance.checks() >= MAX_CHECKS || !instance.is_clean() {
            return;
        }
        instance.forget(Permit::none(&self.blueprint.rules));
        let mut idle = self.idle.lock();
        if idle.len() < MAX_IDLE {
            idle.push(instance);
            self.blueprint.metrics.idle.set(idle.len() as i64);
        }
    }

    /// A configured instance, which may reach nobody yet.
    async fn instantiate(&self, permit: Permit) -> Result<Instance, Refusal> {
        let Blueprint { check, exports, pre, authorities, words, seeds, .. } = &self.blueprint;
        let state = PatientState::new(
            check.memory_bytes,
            permit,
            authorities.clone(),
            words.clone(),
            seeds.clone(),
        );
        let mut instance = Instance::new(pre, exports, state).await?;
        instance.configure(&check.config_json).await?;
        Ok(instance)
    }

    /// The same, where nobody is told of what it must not do: it was not asked to serve yet.
    pub(super) async fn instantiate_silently(&self) -> Result<Instance, Refusal> {
        self.instantiate(self.no_permit()).await
    }

    /// A permission to reach nobody, where nobody is told.
    pub(super) fn no_permit(&self) -> Permit {
        let mut rules = self.blueprint.rules.clone();
        rules.denials.counters = None;
        Permit::none(&rules)
    }

    /// Whether building from these would give the same again.
    pub(super) fn is_built_from(
        &self,
        name: &CheckName,
        check: &PluginCheck,
        limits: &PluginLimits,
        digest: &str,
    ) -> bool {
        let own = &self.blueprint;
        own.name == *name
            && own.check == *check
            && own.limits == *limits
            && own.component.digest() == digest
    }

    /// SHA-256 of the component file, in hex.
    pub fn digest(&self) -> &str {
        self.blueprint.component.digest()
    }

    /// The check that it makes.
    pub fn name(&self) -> &CheckName {
        &self.blueprint.name
    }

    /// Instances that wait for their next check.
    pub fn idle(&self) -> usize {
        self.idle.lock().len()
    }

    /// The counters of this check.
    pub fn metrics(&self) -> &Arc<CheckerMetrics> {
        &self.blueprint.metrics
    }
}
