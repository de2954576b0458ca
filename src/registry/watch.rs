//! Telling those who wait that something changed. Nobody is sent a state: who is woken reads the newest
//! one. So nothing is out of order, the last one is never missed, and a slow one costs nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::model::ServiceKey;

/// Whoever follows may work for this at once on what it hears, and for a twentieth of the time after that: where
/// hundreds of instances fail at once, each of them has as many looked at, beside requests that are to be fast
/// just then.
const WORK_AT_ONCE: Duration = Duration::from_millis(10);
const TIME_PER_WORK: u32 = 20;
/// A change waits no longer than this to be heard of.
const LONGEST_REST: Duration = Duration::from_millis(200);

/// Those who wait for a change to one service.
#[derive(Default)]
pub(super) struct Watchers {
    rooms: Mutex<HashMap<ServiceKey, Arc<Notify>>>,
}

impl Watchers {
    /// A place among those who wait for `service`.
    pub(super) fn seat(&self, service: &ServiceKey) -> Seat<'_> {
        let room = self.rooms.lock().entry(service.clone()).or_default().clone();
        Seat { watchers: self, service: service.clone(), room: Some(room) }
    }

    /// Wakes those who wait for any of `services`. What they are to see is published before.
    pub(super) fn wake(&self, services: &BTreeSet<ServiceKey>) {
        let rooms = self.rooms.lock();
        let waiting: Vec<_> = match rooms.is_empty() {
            true => Vec::new(),
            false => services.iter().filter_map(|service| rooms.get(service).cloned()).collect(),
        };
        drop(rooms);
        for room in waiting {
            room.notify_waiters();
        }
    }
}

/// Held while somebody waits; the room is cleared away with its last seat.
pub(super) struct Seat<'a> {
    watchers: &'a Watchers,
    service: ServiceKey,
    room: Option<Arc<Notify>>,
}

impl Seat<'_> {
    pub(super) fn room(&self) -> &Notify {
        self.room.as_deref().expect("it is taken when the seat is dropped, not before")
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut rooms = self.watchers.rooms.lock();
        self.room = None;
        if rooms.get(&self.service).is_some_and(|room| Arc::strong_count(room) == 1) {
            rooms.remove(&self.service);
        }
    }
}

/// Those who follow every change.
#[derive(Default)]
pub(super) struct Followers {
    all: Mutex<Vec<Weak<Pending>>>,
}

#[derive(Default)]
struct Pending {
    changed: Mutex<BTreeSet<ServiceKey>>,
    wake: Notify,
}

impl Followers {
    pub(super) fn join(&self) -> Follower {
        let pending = Arc::<Pending>::default();
        self.all.lock().push(Arc::downgrade(&pending));
        let now = Instant::now();
        Follower { pending, rested: now, owed: (Duration::ZERO, now) }
    }

    /// Notes for each follower what changed. What they are to see is published before.
    pub(super) fn tell(&self, services: &BTreeSet<ServiceKey>) {
        self.all.lock().retain(|follower| {
            let Some(pending) = follower.upgrade() else { return false };
            pending.changed.lock().extend(services.iter().cloned());
            pending.wake.notify_one();
            true
        });
    }
}

/// Tells which services changed since it was last asked. Bounded by their number: what changes
/// twice is told once.
pub struct Follower {
    pending: Arc<Pending>,
    /// Until then changes gather.
    rested: Instant,
    /// Work that no time has passed for, as of a moment.
    owed: (Duration, Instant),
}

impl Follower {
    /// Waits for changes, and takes them all. The newest snapshot shows each of them.
    pub async fn next(&mut self) -> BTreeSet<ServiceKey> {
        sleep_until(self.rested.into()).await;
        loop {
            let changed = std::mem::take(&mut *self.pending.changed.lock());
            if !changed.is_empty() {
                return changed;
            }
            self.pending.wake.notified().await;
        }
    }

    /// What was heard took this much work: changes gather for a while if it was much of late.
    pub fn worked(&mut self, work: Duration) {
        let now = Instant::now();
        let (owed, at) = self.owed;
        let owed = owed.saturating_sub((now - at) / TIME_PER_WORK) + work;
        let owed = owed.min(WORK_AT_ONCE + LONGEST_REST / TIME_PER_WORK);
        self.owed = (owed, now);
        self.rested = now + owed.saturating_sub(WORK_AT_ONCE) * TIME_PER_WORK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceName;

    #[tokio::test]
    async fn changes_gather_while_whoever_works_rests() {
        let followers = Followers::default();
        let mut follower = followers.join();
        let keys = ["a", "b"].map(|name| ServiceKey::in_default(ServiceName::new(name).unwrap()));
        followers.tell(&[keys[0].clone()].into());
        assert_eq!(follower.next().await, [keys[0].clone()].into());
        follower.worked(WORK_AT_ONCE);
        let begun = Instant::now();
        assert!(follower.rested <= begun, "that much is free");
        follower.worked(Duration::from_secs(60));
        for key in &keys {
            followers.tell(&[key.clone()].into());
        }
        assert_eq!(follower.next().await, keys.into());
        assert!(begun.elapsed() >= LONGEST_REST / 2);
    }

    #[test]
    fn a_room_is_cleared_away_with_its_last_seat() {
        let watchers = Watchers::default();
        let key = ServiceKey::in_default(ServiceName::new("web").unwrap());
        let (one, other) = (watchers.seat(&key), watchers.seat(&key));
        drop(one);
        assert_eq!(watchers.rooms.lock().len(), 1);
        drop(other);
        assert_eq!(watchers.rooms.lock().len(), 0);
    }
}
