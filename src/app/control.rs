//! The control loop: one task that owns the world and does everything that is not a request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{interval, sleep, sleep_until, timeout};

use super::names::look_up;
use super::reloader::Reloader;
use super::status::status;
use super::watch::FileWatch;
use super::world::World;
use crate::admin::{ReloadRequest, Status};

/// Files must be quiet for this long before they are read: editors write in several steps.
const SETTLE: Duration = Duration::from_millis(40);
/// But no longer than this after the first change.
const SETTLE_LONGEST: Duration = Duration::from_millis(500);
/// A file that cannot be read may be half written: it is looked at once more.
const SECOND_LOOK: Duration = Duration::from_millis(150);
/// Files are looked at this often even if no event came.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Rounds of name lookups that may wait to be taken in.
const MAX_WAITING_ANSWERS: usize = 16;
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
    /// Runs as long as the process does.
    pub(super) async fn run(mut self, mut watch: FileWatch) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut upkeep_due = None;
        let mut look_at_files = interval(LOOK_EVERY);
        let (tell_answers, mut answers) = mpsc::channel(MAX_WAITING_ANSWERS);
        let host = self.world.host.clone();
        loop {
            let names_due = self.world.names_due();
            tokio::select! {
                () = watch.stirred() => self.look_at_files(&mut watch).await,
                _ = hangup.recv() => self.reload("SIGHUP", &mut watch).await,
                Some(request) = self.requests.recv() => {
                    self.reload("POST /-/reload", &mut watch).await;
                    // Whoever asked may have left.
                    let _ = request.answer.send(self.reloader.last.clone());
                }
                () = host.upkeep_asked() => upkeep_due = host.maintain(Instant::now()),
                () = until(upkeep_due) => upkeep_due = host.maintain(Instant::now()),
                // Whatever events missed (a network file system, a directory that came back).
                _ = look_at_files.tick() => self.look_at_files(&mut watch).await,
                () = until(names_due) => {
                    let (hosts, tell_answers) = (self.world.names_to_ask(), tell_answers.clone());
                    tokio::spawn(async move {
                        // The loop ends with the process only.
                        let _ = tell_answers.send(look_up(hosts).await).await;
                    });
                }
                Some(answers) = answers.recv() => self.world.learn_names(answers),
                () = sleep(STATUS_EVERY) => {}
            }
            self.publish_status();
        }
    }

    async fn look_at_files(&mut self, watch: &mut FileWatch) {
        if !watch.differs() {
            return;
        }
        settle(watch).await;
        if !watch.changed() {
            return; // it was put back
        }
        if super::reloader::load(self.reloader.path()).is_err() {
            sleep(SECOND_LOOK).await;
            settle(watch).await;
        }
        self.reload("file change", watch).await;
    }

    async fn reload(&mut self, cause: &str, watch: &mut FileWatch) {
        watch.changed(); // as it is before it is read: what changes from here on is seen later
        self.reloader.reload(&mut self.world, cause, watch).await;
    }

    fn publish_status(&self) {
        self.status.store(Arc::new(status(&self.world, &self.reloader, self.started)));
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
