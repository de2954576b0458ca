//! An instance with a store of its own, and the bounds of both.

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, UpdateDeadline};

use super::super::refusal::Refusal;
use super::fault::Fault;
use super::state::PatientState;

/// Bytes that one call out of a component may hand to the host.
const MAX_CALL_BYTES: usize = 4 << 20;

/// Handles that an instance may have at a time.
const MAX_HANDLES: usize = 4096;

/// Computing guests let others go on at each tick of the engine's clock.
const TICKS_BETWEEN_YIELDS: u64 = 1;

/// Instantiates a component. Nothing of it has run yet but its start function.
pub async fn instantiate(
    component: &InstancePre<PatientState>,
    state: PatientState,
) -> Result<(Store<PatientState>, Instance), Refusal> {
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
    Ok((store, instance))
}
