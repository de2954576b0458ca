//! What the writer publishes, and what its handles read: no lock is held here for longer than a
//! look-up.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::event::EventLog;
use super::snapshot::Snapshot;
use super::ttl::Key;
use super::watch::{Followers, Watchers};
use crate::config;
use crate::store::{Store, Subscription};

pub(super) struct Shared {
    pub current: ArcSwap<Snapshot>,
    pub subscriptions: ArcSwap<Vec<Subscription>>,
    pub settings: ArcSwap<config::Registry>,
    pub events: EventLog,
    pub watchers: Watchers,
    pub followers: Followers,
    pub returned: Returned,
    pub clock: Clock,
    pub store: Arc<dyn Store>,
    pub stop: CancellationToken,
}

/// Instances that were not well, and sent a heart-beat. Bounded by their number.
#[derive(Default)]
pub(super) struct Returned {
    keys: Mutex<BTreeSet<Key>>,
    wake: Notify,
}

impl Returned {
    pub(super) fn note(&self, key: Key) {
        self.keys.lock().insert(key);
        self.wake.notify_one();
    }

    /// Waits for some. Cancelling loses none.
    pub(super) async fn wait(&self) {
        while self.keys.lock().is_empty() {
            self.wake.notified().await;
        }
    }

    pub(super) fn take(&self) -> BTreeSet<Key> {
        std::mem::take(&mut self.keys.lock())
    }
}
