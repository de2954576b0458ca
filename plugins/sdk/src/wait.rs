//! Waiting for the host, up to a moment, and no longer than the check may take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::bindings::health_check::wasi::clocks::monotonic_clock::{now, subscribe_instant};
use crate::bindings::health_check::wasi::io::poll::{Pollable, poll};
use crate::bindings::health_check::wasi::io::streams::{InputStream, StreamError};
use crate::health_check::NetworkError;

/// Of a check's time, the share that is waited for the network: what is left is for the verdict that it
/// did not answer.
const WAITED_PERCENT: u64 = 90;

/// When the check that is under way stops waiting, in nanoseconds.
static LATEST: AtomicU64 = AtomicU64::new(u64::MAX);

/// A check begins that may take so long.
pub fn begin(timeout_ms: u32) {
    const NANOS_PER_MS: u64 = 1_000_000;
    let waited = u64::from(timeout_ms) * NANOS_PER_MS / 100 * WAITED_PERCENT;
    LATEST.store(now().saturating_add(waited), Ordering::Relaxed);
}

/// A moment on the host's clock.
#[derive(Debug, Clone, Copy)]
pub struct Until(u64);

impl Until {
    /// When the check has to come to an end.
    pub fn the_end() -> Self {
        Self(LATEST.load(Ordering::Relaxed))
    }

    /// So long from now, no later than [`Until::the_end`].
    pub fn after(time: Duration) -> Self {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self(now().saturating_add(nanos).min(Self::the_end().0))
    }

    /// The same for a time that is set, or [`Until::the_end`].
    pub fn within(time: Option<Duration>) -> Self {
        time.map_or_else(Self::the_end, Self::after)
    }

    /// Waits for `ready`, no longer than this.
    pub fn wait(self, ready: &Pollable) -> Result<(), NetworkError> {
        let over = subscribe_instant(self.0);
        match poll(&[ready, &over]).contains(&0) {
            true => Ok(()),
            false => Err(NetworkError::TimedOut),
        }
    }

    /// Waits for bytes, `most` of them at the most; none when the stream has ended.
    pub fn read(self, stream: &InputStream, most: usize) -> Result<Vec<u8>, NetworkError> {
        loop {
            match stream.read(most as u64) {
                Ok(bytes) if bytes.is_empty() => self.wait(&stream.subscribe())?,
                Ok(bytes) => return Ok(bytes),
                Err(StreamError::Closed) => return Ok(Vec::new()),
                Err(StreamError::LastOperationFailed(_)) => return Err(NetworkError::Closed),
            }
        }
    }
}
