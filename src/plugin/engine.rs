//! The engine that runs balancers: synchronous, with a clock that cuts off what runs too long.

use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel};

use crate::telemetry::clock;

/// How often running guests look at the clock. A deadline is kept to within one tick.
const TICK: Duration = Duration::from_millis(5);

/// The stack that a guest may use; deep recursion traps there. Well below a thread's 2 MiB.
const GUEST_STACK_BYTES: usize = 512 * 1024;

/// The engine could not be made: an unsupported processor, or no thread.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// The engine for calls on the request path.
///
/// No fuel (it costs more than an epoch check), no async (a pick never waits), and without
/// `component-model-async`, whose bookkeeping makes each call several times slower.
#[derive(Clone)]
pub struct HotEngine {
    engine: Engine,
}

impl HotEngine {
    /// Makes the engine and starts its ticker, which ends with the engine's last user.
    pub fn new() -> Result<Self, EngineError> {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(GUEST_STACK_BYTES)
            .cranelift_opt_level(OptLevel::Speed)
            .wasm_backtrace_max_frames(None);
        let engine = Engine::new(&config)?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("plugin-epochs".into())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    clock::tick();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .map_err(|error| EngineError(error.to_string()))?;
        Ok(Self { engine })
    }

    /// Wasmtime's engine.
    pub(super) fn wasmtime(&self) -> &Engine {
        &self.engine
    }
}

/// A deadline in ticks: at least `deadline` long, at most one tick longer.
pub(super) fn ticks(deadline: Duration) -> u64 {
    deadline.as_nanos().div_ceil(TICK.as_nanos()).max(1) as u64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_cut_short() {
        assert_eq!(ticks(Duration::from_millis(10)), 3);
        assert_eq!(ticks(Duration::from_millis(11)), 4);
        assert_eq!(ticks(Duration::ZERO), 2);
    }
}
