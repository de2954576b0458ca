//! The process's own log: text for people, JSON for machines, on standard error.
//!
//! What libraries say is bounded: pingora has a line for each connection that fails, and whoever
//! can connect must not be able to fill a disk.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

use super::otlp::logs::Events;
use tracing_subscriber::filter::{FilterExt, LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Lines of pingora's in one second; further ones are dropped.
const FOREIGN_LINES_PER_SECOND: u64 = 10;

/// The filter that is in effect, to be exchanged.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging with a filter such as `info` or `proconsul=debug,warn`.
///
/// A filter that cannot be read falls back to `info`; configuration is validated before it comes
/// here. Only the first call in a process takes effect.
pub fn start(filter: &str, json: bool) {
    let (filter, handle) = reload::Layer::new(parsed(filter));
    let bounded = dynamic_filter_fn(|metadata, _| {
        static GATE: Gate = Gate::new();
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        !metadata.target().starts_with("pingora") || GATE.admit(BEGUN.elapsed().as_secs())
    });
    // Without the hint, each disabled line of the request path would be asked about.
    let filter = filter.and(bounded.with_max_level_hint(LevelFilter::TRACE));
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = if json { lines.json().boxed() } else { lines.boxed() };
    // A second start is a test's or a demo's: the first one's settings stay.
    if tracing_subscriber::registry()
        .with(lines.and_then(Events).with_filter(filter))
        .try_init()
        .is_ok()
    {
        let _ = FILTER.set(handle);
    }
}

/// Logs by another filter from now on.
pub fn set_filter(filter: &str) {
    if let Some(handle) = FILTER.get() {
        // Fails only when the subscriber is gone, which it never is.
        let _ = handle.reload(parsed(filter));
    }
}

fn parsed(filter: &str) -> EnvFilter {
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"))
}

/// A budget of lines for each second.
struct Gate {
    /// The second in the upper half, lines in it in the lower: they change together.
    used: AtomicU64,
}

impl Gate {
    const fn new() -> Self {
        Self { used: AtomicU64::new(0) }
    }

    /// Whether a line may pass in this second.
    fn admit(&self, second: u64) -> bool {
        let count = |used: u64| if used >> 32 == second { used + 1 } else { (second << 32) + 1 };
        let before =
            self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |u| Some(count(u)));
        let used = before.map_or(0, count) & u64::from(u32::MAX);
        used <= FOREIGN_LINES_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_renewed_each_second() {
        let gate = Gate::new();
        let admitted = |second| (0..100).filter(|_| gate.admit(second)).count() as u64;
        assert_eq!(admitted(0), FOREIGN_LINES_PER_SECOND);
        assert_eq!(admitted(0), 0);
        assert_eq!(admitted(7), FOREIGN_LINES_PER_SECOND);
    }
}
