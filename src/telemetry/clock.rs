//! A coarse clock that costs one load: milliseconds since the process began to use it.
//!
//! For averages and log bounds, where a few milliseconds do not matter and a system call does.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

static NOW_MS: AtomicU32 = AtomicU32::new(1);
static BEGIN: OnceLock<Instant> = OnceLock::new();

/// Milliseconds, as of the last [`tick`]. Wraps after 49 days; compare with `wrapping_sub`.
pub fn coarse_ms() -> u32 {
    NOW_MS.load(Ordering::Relaxed)
}

/// Moves the clock on to now. Called by the epoch ticker, every few milliseconds.
pub fn tick() {
    let begin = BEGIN.get_or_init(Instant::now);
    let now_ms = (begin.elapsed().as_millis() as u32).wrapping_add(1);
    NOW_MS.store(now_ms, Ordering::Relaxed);
}
