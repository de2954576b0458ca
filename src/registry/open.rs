//! Beginning: from what the store holds to a registry and its writer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Registry;
use super::clock::Clock;
use super::drain::Drains;
use super::event::EventLog;
use super::limits::{MAX_WAITING_CHANGES, MAX_WAITING_NOTES, MAX_WAITING_VERDICTS};
use super::removed::Removed;
use super::shared::Shared;
use super::snapshot::{Index, Snapshot};
use super::state::{Delta, PutInstance, State};
use super::trail::Trail;
use super::ttl::Lapses;
use super::vitals::Vitals;
use super::writer::{Inbox, Writer};
use crate::config;
use crate::model::{Origin, UnixMillis};
use crate::store::{Ground, Store, StoreError};

/// Microseconds of a millisecond.
const MICROS: u64 = 1000;

/// Reads what the store holds.
///
/// Nothing lapsed while no registry ran: each instance has a whole time-to-live from now on, and is
/// thought well until its checks say otherwise.
pub async fn open(
    store: Arc<dyn Store>,
    settings: config::Registry,
) -> Result<(Registry, Writer), StoreError> {
    let clock = Clock::start();
    let mut ground = store.load().await?;
    let now = clock.now();
    // Grows over restarts, even if the clock was set back; and what the last process gave out without
    // writing it is below the time.
    let start = ground.index.saturating_add(1).max(now.0 * MICROS);
    let surplus = ground.events.len().saturating_sub(settings.max_events);
    let events = ground.events.split_off(surplus);
    let forgotten = match events.first() {
        Some(oldest) => oldest.index - 1,
        None if ground.index == 0 => 0,
        None => start,
    };
    let state = populate(ground, start, now);
    let shared = Arc::new(Shared {
        current: ArcSwap::from_pointee(state.snapshot.clone()),
        subscriptions: ArcSwap::new(state.subscriptions.clone()),
        settings: ArcSwap::from_pointee(settings),
        events: EventLog::new(events, forgotten),
        watchers: Default::default(),
        followers: Default::default(),
        returned: Default::default(),
        clock,
        store,
        stop: CancellationToken::new(),
    });
    let (commands, commands_inbox) = mpsc::channel(MAX_WAITING_CHANGES);
    let (observed, observed_inbox) = mpsc::channel(MAX_WAITING_VERDICTS);
    let (configured, configured_inbox) = mpsc::channel(1);
    let (notes, notes_inbox) = mpsc::channel(MAX_WAITING_NOTES);
    let registry = Registry { shared: shared.clone(), commands, observed, configured, notes };
    let inbox = Inbox {
        commands: commands_inbox,
        observed: observed_inbox,
        configured: configured_inbox,
        notes: notes_inbox,
    };
    let mut writer = Writer {
        shared,
        inbox,
        next_index: start + 1,
        waiting: Vec::new(),
        lapses: Lapses::default(),
        drains: Drains::default(),
        removals: BTreeMap::new(),
        configured: None,
        trail: Trail::default(),
        touched: BTreeSet::new(),
        events: Vec::new(),
        retry: UnixMillis::default(),
        failing: false,
        looked: now,
        metrics: Default::default(),
        state,
    };
    writer.expect_all(now);
    Ok((registry, writer))
}

/// The state that a store's rows describe; all of it has the index `start`.
fn populate(ground: Ground, start: Index, now: UnixMillis) -> State {
    let snapshot = Snapshot { index: start, removed: Removed::since(start), ..Default::default() };
    let subscriptions = Arc::new(ground.subscriptions);
    let mut state = State { snapshot, subscriptions, census: Default::default() };
    for record in ground.services {
        state.apply(&Delta::Describe(Arc::new(record)), start, now);
    }
    for stored in ground.instances {
        let mut record = stored.record;
        if let Some(view) = state.snapshot.services.get(&record.service) {
            record.service = view.record.key.clone(); // one text for all of its instances
        }
        let put = PutInstance {
            record: Arc::new(record),
            origin: Origin::Registration,
            duty: stored.duty,
            registered: stored.registered,
            updated: stored.updated,
            vitals: Arc::new(Vitals::new(now)),
        };
        state.apply(&Delta::Put(put), start, now);
    }
    state
}
