//! The date, for alert channels: what a signature is dated by.

use crate::bindings::health_check::wasi::clocks::wall_clock::now;

/// Milliseconds since 1970 (UTC), by the proxy's clock.
pub fn unix_ms() -> u64 {
    let now = now();
    now.seconds * 1000 + u64::from(now.nanoseconds / 1_000_000)
}
