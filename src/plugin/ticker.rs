//! The clock of all engines: one thread, which counts for each of them how long its guests have run.
//!
//! One for all, as a thread that wakes up two hundred times a second takes 0.3 % of a core.

use std::io;
use std::time::Duration;

use parking_lot::Mutex;
use wasmtime::{Engine, EngineWeak};

use crate::telemetry::clock;

/// How often running guests look at the clock. A deadline is kept to within one tick.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Whose clock it is; the thread runs while there is anybody.
static ENGINES: Mutex<Vec<EngineWeak>> = Mutex::new(Vec::new());

/// Lets the clock of `engine` tick for as long as somebody uses it.
pub(super) fn follow(engine: &Engine) -> io::Result<()> {
    let mut engines = ENGINES.lock();
    if engines.is_empty() {
        std::thread::Builder::new().name("plugin-clock".to_owned()).spawn(run)?;
    }
    engines.push(engine.weak());
    Ok(())
}

fn run() {
    while tick_all() {
        clock::tick();
        std::thread::sleep(TICK);
    }
}

/// Whether there was anybody. Who is gone is forgotten.
fn tick_all() -> bool {
    let mut engines = ENGINES.lock();
    engines.retain(|engine| {
        let engine = engine.upgrade();
        engine.inspect(Engine::increment_epoch).is_some()
    });
    !engines.is_empty()
}
