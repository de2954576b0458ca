//! What goes on beside requests: two loops in one thread, which take turns over the world.
//!
//! [`Changes`] goes from one configuration to the next, which may take seconds; meanwhile
//! [`keep_up`] serves what cannot wait so long: slots to fill, names to ask for, the status to tell.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::changes::Changes;
use super::names::look_up;
use super::status::status;
use super::world::World;
use crate::admin::{Status, StatusRequest};
use crate::registry::Follower;
use crate::telemetry::metrics::measure_lag;

/// Rounds of name lookups that may wait to be taken in.
const MAX_WAITING_ANSWERS: usize = 16;
/// A status is told again for this long: it costs what the whole configuration does.
const STATUS_FRESH: Duration = Duration::from_millis(50);

/// What both loops have. Borrowed for a step at a time, never while something is waited for.
pub(super) struct Control {
    pub world: RefCell<World>,
    /// The newest that was told, and when.
    status: RefCell<Option<(Instant, Arc<Status>)>>,
}

impl Control {
    pub(super) fn new(world: World) -> Self {
        Self { world: RefCell::new(world), status: RefCell::default() }
    }

    /// Runs as long as the process does.
    ///
    /// `registry` follows from before the world was made: a check may find something while the
    /// process still starts.
    pub(super) async fn run(
        self,
        registry: Follower,
        inquiries: mpsc::Receiver<StatusRequest>,
        changes: Changes,
    ) -> io::Result<()> {
        let lag = self.world.borrow().metrics.lag("control");
        tokio::select! {
            () = measure_lag(lag) => Ok(()),
            () = keep_up(&self, registry, inquiries) => Ok(()),
            ended = changes.run(&self) => ended,
        }
    }

    /// What was told of the status does not hold any more.
    pub(super) fn status_changed(&self) {
        self.status.take();
    }

    fn status(&self) -> Arc<Status> {
        let mut told = self.status.borrow_mut();
        if let Some((at, status)) = &*told
            && at.elapsed() < STATUS_FRESH
        {
            return status.clone();
        }
        let status = Arc::new(status(&self.world.borrow()));
        *told = Some((Instant::now(), status.clone()));
        status
    }
}

/// Follows the registry, fills slots, probes strategies, asks for names, tells the status.
async fn keep_up(
    control: &Control,
    mut registry: Follower,
    mut inquiries: mpsc::Receiver<StatusRequest>,
) {
    let host = control.world.borrow().host.clone();
    let (tell_answers, mut answers) = mpsc::channel(MAX_WAITING_ANSWERS);
    let ask = |hosts: Vec<String>| {
        let tell_answers = tell_answers.clone();
        tokio::spawn(async move {
            // The loop ends with the process only.
            let _ = tell_answers.send(look_up(hosts).await).await;
        });
    };
    let mut upkeep_due = None;
    loop {
        let (names_due, share_grows) = {
            let world = control.world.borrow();
            (world.names_due(), world.share_grows())
        };
        tokio::select! {
            changed = registry.next() => {
                let begun = Instant::now();
                let unknown = control.world.borrow_mut().registry_changed(&changed);
                registry.worked(begun.elapsed());
                if !unknown.is_empty() {
                    ask(unknown);
                }
            }
            () = until(share_grows) => control.world.borrow_mut().grow_shares(Instant::now()),
            () = host.upkeep_asked() => upkeep_due = host.maintain(Instant::now()),
            () = until(upkeep_due) => upkeep_due = host.maintain(Instant::now()),
            () = until(names_due) => {
                let hosts = control.world.borrow_mut().names_to_ask();
                ask(hosts);
            }
            Some(answers) = answers.recv() => control.world.borrow_mut().learn_names(answers),
            Some(StatusRequest { answer }) = inquiries.recv() => {
                // Who asked may have left.
                let _ = answer.send(control.status());
            }
        }
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
