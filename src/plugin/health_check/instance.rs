//! One instance of a health check: a store and its typed exports.

use wasmtime::component::{InstancePre, TypedFunc};
use wasmtime::{Store, UpdateDeadline};

use super::super::contract::HealthCheckExports;
use super::super::exports::{function, settled};
use super::super::log_gate::tame;
use super::super::refusal::Refusal;
use super::bindings::{Endpoint, Verdict};
use super::fault::Fault;
use super::network::Permit;
use super::state::CheckState;
use crate::model::{self, HealthStatus};

/// Bytes that one call out of a component may hand to the host.
const MAX_CALL_BYTES: usize = 4 << 20;

/// Handles that an instance may have at a time.
const MAX_HANDLES: usize = 4096;

/// Computing guests let others go on at each tick of the engine's clock.
const TICKS_BETWEEN_YIELDS: u64 = 1;

/// A live instance, for one check at a time.
pub(super) struct Instance {
    store: Store<CheckState>,
    check: TypedFunc<(Endpoint,), (Verdict,)>,
    configure: TypedFunc<(String,), (Result<(), String>,)>,
    checks: u32,
}

impl Instance {
    /// Instantiates a component. Nothing of it has run yet but its start function.
    pub(super) async fn new(
        component: &InstancePre<CheckState>,
        exports: &HealthCheckExports,
        state: CheckState,
    ) -> Result<Self, Refusal> {
        let mut store = Store::new(component.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(MAX_CALL_BYTES);
        store.set_max_component_handles(MAX_HANDLES);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(TICKS_BETWEEN_YIELDS)));
        store.set_epoch_deadline(TICKS_BETWEEN_YIELDS);
        let instance = component
            .instantiate_async(&mut store)
            .await
            .map_err(|error| Refusal::Instantiate(Fault::of(&error).words()))?;
        let checker = exports.checker.as_str();
        let configure = function(&mut store, instance, checker, "configure")?;
        let check = function(&mut store, instance, checker, "check")?;
        Ok(Self { store, check, configure, checks: 0 })
    }

    /// Calls `configure`.
    pub(super) async fn configure(&mut self, config_json: &str) -> Result<(), Refusal> {
        self.store.set_epoch_deadline(TICKS_BETWEEN_YIELDS);
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
        self.store.set_epoch_deadline(TICKS_BETWEEN_YIELDS);
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
