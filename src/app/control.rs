//! What goes on beside requests: two loops in one thread, which take turns over the world.
//!
//! [`Changes`] goes from one configuration to the next, which may take seconds; meanwhile
//! [`keep_up`] serves what cannot wait so long: slots to fill, names to ask for, the status to show.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep_until};

use super::changes::Changes;
use super::names::look_up;
use super::status::status;
use super::world::World;
use crate::admin::Status;
use crate::registry::Follower;

/// Rounds of name lookups that may wait to be taken in.
const MAX_WAITING_ANSWERS: usize = 16;
/// The status is made anew this often.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// What both loops have. Borrowed for a step at a time, never while something is waited for.
pub(super) struct Control {
    pub world: RefCell<World>,
    pub status: Arc<ArcSwap<Status>>,
}

impl Control {
    pub(super) fn new(world: World) -> Self {
        let status = Arc::new(ArcSwap::from_pointee(status(&world)));
        Self { world: RefCell::new(world), status }
    }

    /// Runs as long as the process does.
    ///
    /// `registry` follows from before the world was made: a check may find something while the
    /// process still starts.
    pub(super) async fn run(self, registry: Follower, changes: Changes) -> io::Result<()> {
        tokio::select! {
            () = keep_up(&self, registry) => Ok(()),
            ended = changes.run(&self) => ended,
        }
    }

    pub(super) fn publish_status(&self) {
        self.status.store(Arc::new(status(&self.world.borrow())));
    }
}

/// Follows the registry, fills slots, probes strategies, asks for names, shows the status.
async fn keep_up(control: &Control, mut registry: Follower) {
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
    let mut show_status = interval(STATUS_EVERY);
    loop {
        let (names_due, share_grows) = {
            let world = control.world.borrow();
            (world.names_due(), world.share_grows())
        };
        tokio::select! {
            changed = registry.next() => {
                let unknown = control.world.borrow_mut().registry_changed(&changed);
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
            // Not at each event: it costs what the whole configuration does.
            _ = show_status.tick() => control.publish_status(),
        }
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}
