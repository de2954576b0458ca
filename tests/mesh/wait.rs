//! Waiting for an event, with a bound.

use std::future::Future;
use std::time::{Duration, Instant};

/// Generous: a busy machine is slow, and only a failing test waits this long.
pub const LONGEST: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until there is something; panics with `what` when it takes too long.
pub async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < LONGEST, "waited {LONGEST:?} for: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The outcome of something that must not hang.
pub async fn bounded<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONGEST, work).await {
        Ok(done) => done,
        Err(_) => panic!("waited {LONGEST:?} for: {what}"),
    }
}
