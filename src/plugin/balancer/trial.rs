//! One instance of a strategy outside of the proxy: what `proconsul plugin test` and the conformance
//! tests drive. Loads, clock and seed are the caller's, so a run can be repeated to the pick.
//!
//! No slots, no fallback, no rebuilding: an answer is given as the component gave it, and a trap
//! ends the trial.

use std::sync::Arc;

use super::super::refusal::Refusal;
use super::build::{BalancerHost, BalancerSpec};
use super::instance::{Fault, Instance, Outcome};
use crate::balance::{EndpointSet, RequestFacts};

/// An instance on its own.
pub struct Trial {
    instance: Instance,
    wants_request: bool,
}

/// A call that trapped or ran past its deadline. The trial is over.
#[derive(Debug, thiserror::Error)]
#[error("`{export}` failed: {fault}")]
pub struct TrialOver {
    pub export: &'static str,
    fault: String,
}

impl TrialOver {
    fn in_export(export: &'static str) -> impl Fn(Fault) -> Self {
        move |fault| Self { export, fault: fault.to_string() }
    }
}

impl Trial {
    /// Instantiates, configures, and gives the endpoints.
    pub fn new(
        host: &BalancerHost,
        spec: &BalancerSpec,
        set: &Arc<EndpointSet>,
    ) -> Result<Self, Refusal> {
        let metrics = host.metrics(spec);
        let instance = host.instantiate(spec, &metrics, set)?;
        Ok(Self { instance, wants_request: spec.checked.exports.wants_request })
    }

    /// Replaces the endpoints. An empty set is not given to the strategy, as in the proxy.
    pub fn set_endpoints(&mut self, set: Arc<EndpointSet>) -> Result<(), Refusal> {
        if set.is_empty() { Ok(()) } else { self.instance.set_endpoints(set) }
    }

    /// What the component answers, whether it makes sense or not.
    pub fn pick(
        &mut self,
        key: u64,
        attempt: u32,
        request: &RequestFacts,
    ) -> Result<Option<u32>, TrialOver> {
        let request = self.wants_request.then(|| Box::new(request.clone()));
        self.instance.pick(key, attempt, request).map_err(TrialOver::in_export("pick"))
    }

    /// Tells how a try ended, if the component wants to hear it.
    pub fn observe(
        &mut self,
        index: u32,
        outcome: Outcome,
        latency_us: u32,
    ) -> Result<(), TrialOver> {
        let over = TrialOver::in_export("observe");
        self.instance.observe(index, outcome, latency_us).map_err(over)
    }
}
