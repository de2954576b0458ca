//! One instance of a strategy: a store, the typed exports, and the endpoints it was last given.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::{InstancePre, TypedFunc};
use wasmtime::{Store, Trap};

use super::super::bindings;
use super::super::contract::BalancerExports;
use super::super::engine::ticks;
use super::super::exports::{self, function};
use super::super::log_gate::tame;
use super::super::refusal::Refusal;
use super::super::state::HostState;
use crate::balance::{EndpointSet, RequestFacts};
use crate::config::PluginLimits;

pub use bindings::Outcome;

/// The most that `snapshot` may hand over.
const MAX_SNAPSHOT_BYTES: usize = 1 << 20;

/// A call that did not return.
#[derive(Debug)]
pub(super) enum Fault {
    Deadline,
    Trap(String),
}

impl Fault {
    fn of(error: &wasmtime::Error) -> Self {
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Fault::Deadline,
            Some(trap) => Fault::Trap(trap.to_string()),
            None => Fault::Trap(tame(&error.root_cause().to_string())),
        }
    }

    pub(super) fn is_deadline(&self) -> bool {
        matches!(self, Fault::Deadline)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Deadline => f.write_str("ran past its deadline and was cut off"),
            Fault::Trap(trap) => f.write_str(trap),
        }
    }
}

type Observe = TypedFunc<(u32, Outcome, u32), ()>;
type Snapshot = TypedFunc<(), (Vec<u8>,)>;
type Restore = TypedFunc<(Vec<u8>,), (Result<(), String>,)>;

/// A live instance. Entered by one thread at a time.
pub(super) struct Instance {
    store: Store<HostState>,
    pick: TypedFunc<(u64, u32), (Option<u32>,)>,
    configure: TypedFunc<(String,), (Result<(), String>,)>,
    set_endpoints: TypedFunc<(Vec<bindings::Endpoint>,), (Result<(), String>,)>,
    observe: Option<Observe>,
    handover: Option<(Snapshot, Restore)>,
    pick_ticks: u64,
    setup_ticks: u64,
}

impl Instance {
    /// Instantiates a component. Nothing of it has run yet but its start function.
    pub(super) fn new(
        component: &InstancePre<HostState>,
        exports: &BalancerExports,
        limits: &PluginLimits,
        state: HostState,
    ) -> Result<Self, Refusal> {
        let mut store = Store::new(component.engine(), state);
        store.limiter(|state| &mut state.limiter);
        let (pick_ticks, setup_ticks) = (ticks(limits.pick_deadline), ticks(limits.setup_deadline));
        store.set_epoch_deadline(setup_ticks);
        let instance = component
            .instantiate(&mut store)
            .map_err(|error| Refusal::Instantiate(Fault::of(&error).to_string()))?;

        let strategy = exports.strategy.as_str();
        let pick = function(&mut store, instance, strategy, "pick")?;
        let configure = function(&mut store, instance, strategy, "configure")?;
        let set_endpoints = function(&mut store, instance, strategy, "set-endpoints")?;
        let observe = match &exports.feedback {
            Some(feedback) => Some(function(&mut store, instance, feedback, "observe")?),
            None => None,
        };
        let handover = match &exports.handover {
            Some(handover) => Some((
                function(&mut store, instance, handover, "snapshot")?,
                function(&mut store, instance, handover, "restore")?,
            )),
            None => None,
        };
        Ok(Self {
            store,
            pick,
            configure,
            set_endpoints,
            observe,
            handover,
            pick_ticks,
            setup_ticks,
        })
    }

    /// Calls `configure`.
    pub(super) fn configure(&mut self, config_json: &str) -> Result<(), Refusal> {
        self.store.set_epoch_deadline(self.setup_ticks);
        let result = self.configure.call(&mut self.store, (config_json.to_owned(),));
        settled("configure", result)
    }

    /// Calls `set-endpoints`. Loads are read against the new set from here on.
    pub(super) fn set_endpoints(&mut self, set: Arc<EndpointSet>) -> Result<(), Refusal> {
        let endpoints = set.members().iter().map(to_guest).collect();
        self.store.data_mut().set = set;
        self.store.set_epoch_deadline(self.setup_ticks);
        let result = self.set_endpoints.call(&mut self.store, (endpoints,));
        settled("set-endpoints", result)
    }

    /// Calls `pick`. The request path: no allocation, no lock, nothing logged.
    pub(super) fn pick(
        &mut self,
        key: u64,
        attempt: u32,
        request: Option<Box<RequestFacts>>,
    ) -> Result<Option<u32>, Fault> {
        self.store.set_epoch_deadline(self.pick_ticks);
        if request.is_some() {
            self.store.data_mut().request = request;
        }
        let result = self.pick.call(&mut self.store, (key, attempt));
        if self.store.data().request.is_some() {
            self.store.data_mut().request = None;
        }
        match result {
            Ok((answer,)) => Ok(answer),
            Err(error) => Err(Fault::of(&error)),
        }
    }

    /// Calls `observe`, if the component has it.
    pub(super) fn observe(
        &mut self,
        index: u32,
        outcome: Outcome,
        latency_us: u32,
    ) -> Result<(), Fault> {
        let Some(observe) = &self.observe else { return Ok(()) };
        self.store.set_epoch_deadline(self.pick_ticks);
        observe
            .call(&mut self.store, (index, outcome, latency_us))
            .map_err(|error| Fault::of(&error))
    }

    /// Calls `snapshot`, if the component has it; `None` when it is empty or too large.
    pub(super) fn snapshot(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Some((snapshot, _)) = &self.handover else { return Ok(None) };
        self.store.set_epoch_deadline(self.setup_ticks);
        let (state,) = snapshot.call(&mut self.store, ()).map_err(|error| Fault::of(&error))?;
        Ok((1..=MAX_SNAPSHOT_BYTES).contains(&state.len()).then_some(state))
    }

    /// Calls `restore`, if the component has it.
    pub(super) fn restore(&mut self, state: &[u8]) -> Result<(), Refusal> {
        let Some((_, restore)) = &self.handover else { return Ok(()) };
        self.store.set_epoch_deadline(self.setup_ticks);
        settled("restore", restore.call(&mut self.store, (state.to_vec(),)))
    }

    /// The endpoints that this instance's indexes mean.
    pub(super) fn set(&self) -> &Arc<EndpointSet> {
        &self.store.data().set
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes()
    }
}

fn settled(
    export: &'static str,
    result: wasmtime::Result<(Result<(), String>,)>,
) -> Result<(), Refusal> {
    exports::settled(export, result, |error| Fault::of(error).to_string())
}

fn to_guest(member: &crate::balance::Member) -> bindings::Endpoint {
    let endpoint = &member.endpoint;
    bindings::Endpoint {
        id: endpoint.id.to_string(),
        address: format!("{}:{}", endpoint.host, endpoint.port),
        weight: endpoint.weight.get(),
        zone: endpoint.zone.clone(),
        region: endpoint.region.clone(),
        metadata: endpoint.metadata.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
    }
}
