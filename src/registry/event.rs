//! The event log: what happened to whom and why, the newest `max_events` of it.
//!
//! In memory for those who ask; the writer has it written down, too.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::snapshot::Index;
use crate::store::StoredEvent;

/// What an event is about. The words are what the API and the command line show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Registered,
    Updated,
    Draining,
    Maintenance,
    Activated,
    Deregistered,
    Health,
    Described,
    Forgotten,
    SelfPreservation,
    /// Too few endpoints of a service are well, so requests go to all; or that is over.
    Panic,
}

impl EventKind {
    /// All of them.
    pub const ALL: [EventKind; 11] = [
        EventKind::Registered,
        EventKind::Updated,
        EventKind::Draining,
        EventKind::Maintenance,
        EventKind::Activated,
        EventKind::Deregistered,
        EventKind::Health,
        EventKind::Described,
        EventKind::Forgotten,
        EventKind::SelfPreservation,
        EventKind::Panic,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Registered => "registered",
            EventKind::Updated => "updated",
            EventKind::Draining => "draining",
            EventKind::Maintenance => "maintenance",
            EventKind::Activated => "activated",
            EventKind::Deregistered => "deregistered",
            EventKind::Health => "health",
            EventKind::Described => "described",
            EventKind::Forgotten => "forgotten",
            EventKind::SelfPreservation => "self-preservation",
            EventKind::Panic => "panic",
        }
    }
}

/// The newest events.
pub(super) struct EventLog {
    ring: Mutex<Ring>,
    appended: Notify,
}

struct Ring {
    events: VecDeque<StoredEvent>,
    /// Everything up to this index is forgotten.
    forgotten: Index,
}

impl EventLog {
    /// Begins with what the store had; `forgotten` is the newest index that it may not have.
    pub(super) fn new(events: Vec<StoredEvent>, forgotten: Index) -> Self {
        let ring = Mutex::new(Ring { events: events.into(), forgotten });
        Self { ring, appended: Notify::new() }
    }

    /// Adds events, and forgets the oldest above `max_events`.
    pub(super) fn append(&self, new: Vec<StoredEvent>, max_events: usize) {
        if new.is_empty() {
            return;
        }
        let mut ring = self.ring.lock();
        ring.events.extend(new);
        let surplus = ring.events.len().saturating_sub(max_events);
        if let Some(newest) = surplus.checked_sub(1).and_then(|last| ring.events.get(last)) {
            ring.forgotten = newest.index;
        }
        ring.events.drain(..surplus);
        drop(ring);
        self.appended.notify_waiters();
    }

    /// See [`Registry::events`](super::Registry::events).
    pub(super) fn after(&self, after: Index, limit: usize) -> Result<Vec<StoredEvent>, Index> {
        let ring = self.ring.lock();
        if after != 0 && after < ring.forgotten {
            return Err(ring.events.front().map_or(ring.forgotten + 1, |oldest| oldest.index));
        }
        let begin = ring.events.partition_point(|event| event.index <= after);
        Ok(ring.events.range(begin..).take(limit).cloned().collect())
    }

    /// Waits until there is an event after `after`.
    pub(super) async fn wait_after(&self, after: Index) {
        loop {
            let appended = self.appended.notified();
            tokio::pin!(appended);
            appended.as_mut().enable();
            if self.ring.lock().events.back().is_some_and(|newest| newest.index > after) {
                return;
            }
            appended.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::UnixMillis;

    fn event(index: Index) -> StoredEvent {
        StoredEvent {
            index,
            at: UnixMillis(index),
            kind: EventKind::Health.as_str().to_owned(),
            service: None,
            instance: None,
            message: String::new(),
        }
    }

    fn indexes(events: Vec<StoredEvent>) -> Vec<Index> {
        events.into_iter().map(|event| event.index).collect()
    }

    #[test]
    fn who_asks_for_what_is_forgotten_is_told_where_memory_begins() {
        let log = EventLog::new(vec![event(10), event(11)], 9);
        assert_eq!(log.after(8, 5), Err(10));
        assert_eq!(indexes(log.after(9, 5).unwrap()), [10, 11]);
        log.append(vec![event(12), event(13)], 3);
        assert_eq!(log.after(9, 5), Err(11));
        assert_eq!(indexes(log.after(10, 2).unwrap()), [11, 12]);
        assert_eq!(indexes(log.after(0, 1).unwrap()), [11], "0 asks for all that is kept");
        assert!(log.after(13, 5).unwrap().is_empty());
    }

    #[tokio::test]
    async fn waiting_ends_with_the_event() {
        let log = EventLog::new(vec![event(10)], 0);
        log.wait_after(9).await;
        let append = async { log.append(vec![event(11)], 10) };
        tokio::join!(log.wait_after(10), append);
    }
}
