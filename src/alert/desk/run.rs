//! The desk's thread, and that of the channels.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use futures_util::future::BoxFuture;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::super::Kept;
use super::handle::Desk;
use super::room::{Room, Setups};
use crate::registry::Registry;
use crate::store::alerts::{AlertGround, AlertStore};
use crate::telemetry::give_way::give_way;
use crate::telemetry::metrics::DeskMetrics;

/// The running desk. It ends when this is dropped: what is being sent is waited for, shortly.
pub struct Running {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// What outlives the process.
pub struct Memory {
    pub store: Arc<dyn AlertStore>,
    /// What a former process left. Until it is there, nothing is told.
    pub ground: BoxFuture<'static, AlertGround>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported when it happened
        }
    }
}

/// Starts the desk in a thread of its own; channels work in another. To be called after the process became a
/// daemon. It begins with the first setup. What rules are to take over arrives once it is known.
pub fn start(
    mut setups: Setups,
    registry: &Registry,
    memory: Memory,
    metrics: DeskMetrics,
) -> io::Result<(Desk, Running, oneshot::Receiver<Kept>)> {
    let Memory { store, ground } = memory;
    let (desk, inbox) = Desk::new(store.clone());
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let workers = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("alert-channels")
        .on_thread_start(give_way)
        .enable_all()
        .build()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let (follower, registry) = (registry.follow(), registry.clone());
    let (tell_rules, kept) = oneshot::channel();
    let handle = workers.handle().clone();
    let run = move || {
        give_way();
        runtime.block_on(async {
            let begin = async {
                let setup = setups.wait_for(Option::is_some).await.ok()?.clone()?;
                Some((setup, ground.await))
            };
            let Some(Some((setup, ground))) = stopped.run_until_cancelled(begin).await else {
                return;
            };
            let setup = (setup, setups);
            let (room, kept) = Room::restore(ground, store, handle, setup, registry, metrics);
            let _ = tell_rules.send(kept); // without rules there is nobody to tell
            room.run(inbox, follower, stopped).await;
        });
        // A component in the middle of a computation is not waited for.
        workers.shutdown_background();
    };
    let thread = std::thread::Builder::new().name("alert-desk".to_owned()).spawn(run)?;
    Ok((desk, Running { stop, thread: Some(thread) }, kept))
}
