//! Ending: stop taking requests, let those in flight finish, go.

use std::time::{Duration, Instant};

use pingora_core::server::ExecutionPhase;
use tokio::sync::{broadcast, watch};

use super::alerts::AlertThreads;
use super::logs::Logs;
use super::otlp::Exporting;
use crate::model::Phase;
use crate::registry::Registry;
use crate::telemetry::Metrics;

/// How long nothing must be in flight: a request may be on its way through the last open
/// connections.
const QUIET: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What has to do with the end.
pub(super) struct Ending {
    pub metrics: Metrics,
    /// Lets go of the store.
    pub registry: Registry,
    /// End when dropped, and are to before the store is let go of.
    pub alert_threads: AlertThreads,
    /// Delivers the last telemetry.
    pub exporting: Exporting,
    /// Write the last lines.
    pub logs: Logs,
}

/// Ends the process once it was told to stop and nothing is in flight, or after `drain_timeout`.
///
/// Pingora itself would sleep for the whole of its grace period, requests or not.
pub(super) fn start(
    mut phases: broadcast::Receiver<ExecutionPhase>,
    tell: watch::Sender<Phase>,
    ending: Ending,
    drain_timeout: Duration,
) -> std::io::Result<()> {
    let Ending { metrics, registry, alert_threads, exporting, logs } = ending;
    let mut alert_threads = Some(alert_threads);
    std::thread::Builder::new().name("drain".into()).spawn(move || {
        loop {
            match phases.blocking_recv() {
                Ok(ExecutionPhase::Running) => _ = tell.send_replace(Phase::Serving),
                Ok(ExecutionPhase::GracefulUpgradeCloseTimeout) => {
                    tell.send_replace(Phase::HandingOver);
                    alert_threads.take(); // the new process sees to alerts
                    registry.stop(); // the new process waits for the store
                }
                Ok(ExecutionPhase::ShutdownGracePeriod) => break,
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
        tell.send_replace(Phase::Draining);
        let left = wait_for_quiet(&metrics, drain_timeout);
        if left > 0 {
            tracing::warn!(cut_off = left, "drain time is over");
        }
        alert_threads.take();
        tracing::info!("stopped");
        exporting.flush();
        logs.flush();
        std::process::exit(0);
    })?;
    Ok(())
}

/// Returns how many requests were still in flight when the time was over.
fn wait_for_quiet(metrics: &Metrics, drain_timeout: Duration) -> i64 {
    let deadline = Instant::now() + drain_timeout;
    tracing::info!(in_flight = metrics.requests_in_flight(), "draining");
    let mut quiet_since = None;
    loop {
        let in_flight = metrics.requests_in_flight();
        let now = Instant::now();
        match in_flight {
            0 if now >= *quiet_since.get_or_insert(now) + QUIET => return 0,
            0 => {}
            _ => quiet_since = None,
        }
        if now >= deadline {
            return in_flight;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
