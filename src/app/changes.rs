//! When to reload: the loop that waits for a reason, one after the other, and says how it went.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::interval;

use super::control::Control;
use super::reloader::{Cause, Reloader};
use super::watch::FileWatch;
use crate::admin::ReloadRequest;

/// Files are looked at this often even if no event came.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reasons to reload, and what they set off. What comes during a reload is seen after it.
pub(super) struct Changes {
    pub watch: FileWatch,
    pub requests: mpsc::Receiver<ReloadRequest>,
    pub reloader: Reloader,
}

impl Changes {
    /// Runs as long as the process does.
    pub(super) async fn run(mut self, control: &Control) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut look_at_files = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = self.watch.stirred() => self.look_at_files(control).await,
                // Whatever events missed (a network file system, a directory that came back).
                _ = look_at_files.tick() => self.look_at_files(control).await,
                _ = hangup.recv() => self.reload(Cause::Hangup, None, control).await,
                Some(first) = self.requests.recv() => {
                    self.reload(Cause::Request, Some(first), control).await;
                },
            }
        }
    }

    async fn look_at_files(&mut self, control: &Control) {
        if !self.watch.differs() {
            return;
        }
        self.watch.settled().await;
        if !self.watch.changed() {
            return; // it was put back
        }
        self.reload(Cause::FileChange, None, control).await;
    }

    /// Reloads, also for all who asked until now: the files are read after that.
    async fn reload(&mut self, cause: Cause, first: Option<ReloadRequest>, control: &Control) {
        let mut asked = Vec::from_iter(first);
        while let Ok(another) = self.requests.try_recv() {
            asked.push(another); // as many as the queue takes, at most
        }
        let cause = if asked.is_empty() { cause } else { Cause::Request };
        self.watch.changed(); // as it is before it is read: what changes from here on is seen later
        self.reloader.reload(&control.world, cause, &mut self.watch).await;
        control.status_changed();
        let report = control.world.borrow().last_reload.clone();
        for request in asked {
            // Whoever asked may have left.
            let _ = request.answer.send(report.clone());
        }
    }
}
