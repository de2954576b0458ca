//! The threads of the health loop: one for the loop and the built-in checks, one for components, so that a
//! component that computes makes no other check late.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::scheduler::Scheduler;
use super::traffic::TrafficInbox;
use crate::registry::Registry;
use crate::telemetry::metrics::HealthMetrics;

/// The running loop. It ends when this is dropped.
pub struct HealthLoop {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Starts the loop in a thread of its own. To be called after the process became a daemon.
pub fn start(
    registry: Registry,
    plan: watch::Receiver<Arc<Plan>>,
    metrics: HealthMetrics,
) -> io::Result<(HealthLoop, TrafficInbox)> {
    let (inbox, reports) = TrafficInbox::new(metrics.reports_dropped.clone());
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let plugins = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("health-plugins")
        .enable_all()
        .build()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let run = move || {
        let scheduler = Scheduler::new(registry, plan, reports, metrics, plugins.handle().clone());
        runtime.block_on(async { stopped.run_until_cancelled(scheduler.run()).await });
        // A component in the middle of a computation is not waited for.
        plugins.shutdown_background();
        runtime.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("health".to_owned()).spawn(run)?;
    Ok((HealthLoop { stop, thread: Some(thread) }, inbox))
}

impl Drop for HealthLoop {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported when it happened
        }
    }
}
