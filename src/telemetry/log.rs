//! The process's own log: text for people, JSON for machines, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging with a filter such as `info` or `proconsul=debug,warn`.
///
/// A filter that cannot be read falls back to `info`; configuration is validated before it comes
/// here. Only the first call in a process takes effect.
pub fn start(filter: &str, json: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start is a test's or a demo's: the first one's settings stay.
    let _ = if json { builder.json().finish().try_init() } else { builder.finish().try_init() };
}
