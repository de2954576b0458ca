//! One instance of a health check: a store and its typed exports.

use wasmtime::Store;
use wasmtime::component::{InstancePre, TypedFunc};

use super::super::contract::HealthCheckExports;
use super::super::exports::{function, settled};
use super::super::log_gate::tame;
use super::super::patient::{Fault, PatientState, Permit, instantiate};
use super::super::refusal::Refusal;
use super::bindings::{Endpoint, Verdict};
use crate::model::{self, HealthStatus};

/// A live instance, for one check at a time.
pub(super) struct Instance {
    store: Store<PatientState>,
    check: TypedFunc<(Endpoint,), (Verdict,)>,
    configure: TypedFunc<(String,), (Result<(), String>,)>,
    checks: u32,
}

impl Instance {
    /// Instantiates a component. Nothing of it has run yet but its start function.
    pub(super) async fn new(
        component: &InstancePre<PatientState>,
        exports: &HealthCheckExports,
        state: PatientState,
    ) -> Result<Self, Refusal> {
        let (mut store, instance) = instantiate(component, state).await?;
        let checker = exports.checker.as_str();
        let configure = function(&mut store, instance, checker, "configure")?;
        let check = function(&mut store, instance, checker, "check")?;
        Ok(Self { store, check, configure, checks: 0 })
    }

    /// Calls `configure`.
    pub(super) async fn configure(&mut self, config_json: &str) -> Result<(), Refusal> {
        let result = self.configure.call_async(&mut self.store, (config_json.to_owned(),)).await;
        settled("configure", result, |error| Fault::of(error).words())
    }

    /// Calls `check`, with a permission for it.
    pub(super) async fn check(
        &mut self,
        endpoint: Endpoint,
        permit: Permit,
    ) -> Result<model::Verdict, Fault> {
        self.checks += 1;
        self.store.data().gate.set(permit);
        match self.check.call_async(&mut self.store, (endpoint,)).await {
            Ok((verdict,)) => Ok(to_model(verdict)),
            Err(error) => Err(Fault::of(&error)),
        }
    }

    /// How often it was used.
    pub(super) fn checks(&self) -> u32 {
        self.checks
    }

    /// Whether it let go of all that the host had for it: an open connection to one instance must
    /// not be there while another is checked.
    pub(super) fn is_clean(&self) -> bool {
        self.store.data().table.is_empty()
    }

    /// Between two checks it may reach nobody.
    pub(super) fn forget(&mut self, none: Permit) {
        self.store.data().gate.set(none);
    }
}

fn to_model(verdict: Verdict) -> model::Verdict {
    match verdict {
        Verdict::Passing => model::Verdict::new(HealthStatus::Passing, ""),
        Verdict::Warning(reason) => model::Verdict::new(HealthStatus::Warning, tame(&reason)),
        Verdict::Critical(reason) => model::Verdict::new(HealthStatus::Critical, tame(&reason)),
    }
}
