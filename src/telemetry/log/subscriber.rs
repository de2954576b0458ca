//! What the process and its libraries say, from `tracing` to the writers that want it.
//!
//! What libraries say is bounded: pingora has a line for each connection that fails, and whoever
//! can connect must not be able to fill a disk. Spans are not shown.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_log::{AsLog, NormalizeEvent};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::event::Said;
use super::level::Level;
use super::record::{Format, Record};
use super::writer::Writer;
use crate::telemetry::otlp;

/// Lines of pingora's in one second; further ones are dropped.
const FOREIGN_LINES_PER_SECOND: u64 = 10;

/// Who is told; nobody at first. A static, as the subscriber is one.
static OUTLETS: ArcSwapOption<Vec<EventOutlet>> = ArcSwapOption::const_empty();

/// Who is told, of what, and how.
#[derive(Clone)]
pub struct EventOutlet {
    pub level: Level,
    pub format: Format,
    /// `None`: straight to standard error, before there are writers.
    pub writer: Option<Arc<Writer>>,
}

/// Starts logging to standard error, for people, until there are [outlets](set_outlets). Only the first call
/// in a process does anything: a second one is a test's or a demo's.
pub fn start(level: Level) {
    if tracing_subscriber::registry().with(Outlets).try_init().is_ok() {
        let format = if std::io::stderr().is_terminal() { Format::Coloured } else { Format::Text };
        set_outlets(vec![EventOutlet { level, format, writer: None }]);
    }
}

/// Tells these from now on.
pub fn set_outlets(outlets: Vec<EventOutlet>) {
    OUTLETS.store(Some(Arc::new(outlets)));
    // Who says something has remembered whether anybody listens; so have those that use the `log` crate.
    tracing::callsite::rebuild_interest_cache();
    tracing_log::log::set_max_level(LevelFilter::current().as_log());
}

/// Hands events to the outlets.
struct Outlets;

impl Outlets {
    fn any(wants: impl Fn(&EventOutlet) -> bool) -> bool {
        OUTLETS.load().as_ref().is_some_and(|outlets| outlets.iter().any(wants))
    }
}

impl<S: Subscriber> Layer<S> for Outlets {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_event() && Self::any(|outlet| outlet.level.takes(metadata)) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_event() && Self::any(|outlet| outlet.level.takes(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let outlets = OUTLETS.load();
        let outlets = outlets.as_ref()?.iter();
        outlets.map(|outlet| outlet.level.most()).max().or(Some(LevelFilter::OFF))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let outlets = OUTLETS.load();
        let Some(outlets) = &*outlets else { return };
        // What libraries say by the `log` crate has its true target elsewhere.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut wanting = outlets.iter().filter(|outlet| outlet.level.takes(metadata)).peekable();
        if wanting.peek().is_none() || is_too_much(metadata) {
            return;
        }
        otlp::logs::event(event, metadata);
        let said = Said::new(event, metadata, Timestamp::now());
        for EventOutlet { format, writer, .. } in wanting {
            let line = said.line(*format);
            match writer {
                Some(writer) if writer.is_this_thread() => {}
                Some(writer) => writer.put(Record { head: said.head(), line: &line }),
                // Nobody is left to be told that this fails.
                None => _ = std::io::stderr().write_all(&line),
            }
        }
    }
}

fn is_too_much(metadata: &Metadata<'_>) -> bool {
    static GATE: Gate = Gate::new();
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    metadata.target().starts_with("pingora") && !GATE.admit(BEGUN.elapsed().as_secs())
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

    /// What they would say costs them nothing, which pingora has much of for each request.
    #[test]
    fn libraries_know_what_nobody_hears() {
        start("info".parse().unwrap());
        assert_eq!(tracing_log::log::max_level(), tracing_log::log::LevelFilter::Info);
    }
}
