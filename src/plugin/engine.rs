//! The engines: a synchronous one for balancers, an asynchronous one for what waits for a network.
//! Both have a clock that stops what runs too long.

use std::io;
use std::time::Duration;

use wasmtime::{Config, Engine, OptLevel};

use super::ticker::{self, TICK};

/// The stack that a guest may use; deep recursion traps there. Well below a thread's 2 MiB.
const GUEST_STACK_BYTES: usize = 512 * 1024;

/// What the proxy's own functions may use beside that when a guest that may wait calls them: both are
/// on one stack, which is not the thread's.
const HOST_STACK_BYTES: usize = 512 * 1024;

/// The engine could not be made: an unsupported processor, or no thread.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(String);

impl From<io::Error> for EngineError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// The engine for calls on the request path.
///
/// An overrun is cut off with a trap.
///
/// No fuel (it costs more than an epoch check), no async (a pick never waits), and without
/// `component-model-async`, whose bookkeeping makes each call several times slower.
#[derive(Clone)]
pub struct HotEngine {
    engine: Engine,
}

impl HotEngine {
    /// Makes the engine. Its clock ticks until its last user is gone.
    pub fn new() -> Result<Self, EngineError> {
        let engine = Engine::new(&config())?;
        ticker::follow(&engine)?;
        Ok(Self { engine })
    }
}

impl From<HotEngine> for Engine {
    fn from(engine: HotEngine) -> Self {
        engine.engine
    }
}

/// The engine for calls that may wait: health checks. At each tick a guest that computes lets others go on;
/// it is its caller who gives it up.
///
/// Memories are mapped as instances come and go, not taken from a pool: a pool reserves address space for
/// the largest instance that there may be, as often as there may be instances, and there is little to
/// save. A fresh instance costs some 130 µs of CPU altogether, and one that is used again nothing.
#[derive(Clone)]
pub struct AsyncEngine {
    engine: Engine,
}

impl AsyncEngine {
    /// Makes the engine. Its clock ticks until its last user is gone.
    pub fn new() -> Result<Self, EngineError> {
        let mut config = config();
        config.async_stack_size(GUEST_STACK_BYTES + HOST_STACK_BYTES);
        let engine = Engine::new(&config)?;
        ticker::follow(&engine)?;
        Ok(Self { engine })
    }
}

impl From<AsyncEngine> for Engine {
    fn from(engine: AsyncEngine) -> Self {
        engine.engine
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_max_frames(None);
    config
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
