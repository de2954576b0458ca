//! The control loop: one task that owns the world and does everything that is not a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until, timeout};

use super::reloader::Reloader;
use super::status::status;
use super::watch::{Before, FileWatch};
use super::world::World;
use crate::admin::{ReloadRequest, Status};

/// Files must be quiet for this long before they are read: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(40);
/// But no longer than this after the first change.
const SETTLE_LONGEST: Duration = Duration::from_millis(500);
/// A file that cannot be read may be half written: it is looked at once more.
const SECOND_LOOK: Duration = Duration::from_millis(150);
/// The status is made anew this often.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// What the loop owns.
pub(super) struct Control {
    pub world: World,
    pub reloader: Reloader,
    pub requests: mpsc::Receiver<ReloadRequest>,
    pub status: Arc<ArcSwap<Status>>,
    pub started: f64,
}

impl Control {
    /// Runs as long as the process does. The configuration in effect was read after `before`.
    pub(super) async fn run(mut self, before: Before) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut watch = FileWatch::new(self.reloader.watch.clone(), before);
        let mut upkeep_due = None;
        let host = self.world.host.clone();
        loop {
            let names_due = self.world.names_due();
            tokio::select! {
                () = watch.stirred() => {
                    settle(&mut watch).await;
                    if watch.changed() {
                        self.reload_after_change(&mut watch).await;
                    }
                }
                _ = hangup.recv() => self.reload("SIGHUP", &mut watch).await,
                Some(request) = self.requests.recv() => {
                    self.reload("POST /-/reload", &mut watch).await;
                    // Whoever asked may have left.
                    let _ = request.answer.send(self.reloader.last.clone());
                }
                () = host.upkeep_asked() => upkeep_due = host.maintain(Instant::now()),
                () = until(upkeep_due) => upkeep_due = host.maintain(Instant::now()),
                () = until(names_due) => self.world.refresh_names().await,
                () = sleep(STATUS_EVERY) => {}
            }
            self.publish_status();
        }
    }

    async fn reload_after_change(&mut self, watch: &mut FileWatch) {
        if super::reloader::load(self.reloader.path()).is_err() {
            sleep(SECOND_LOOK).await;
            settle(watch).await;
        }
        self.reload("file change", watch).await;
    }

    async fn reload(&mut self, cause: &str, watch: &mut FileWatch) {
        let before = watch.before();
        self.reloader.reload(&mut self.world, cause).await;
        watch.set_paths(self.reloader.watch.clone(), before);
    }

    fn publish_status(&self) {
        self.status.store(Arc::new(status(&self.world, &self.reloader.last, self.started)));
    }
}

/// Waits until nothing has stirred for a moment.
async fn settle(watch: &mut FileWatch) {
    let latest = Instant::now() + SETTLE_LONGEST;
    while Instant::now() < latest && timeout(SETTLE, watch.stirred()).await.is_ok() {}
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
