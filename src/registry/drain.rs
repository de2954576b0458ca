//! Instances that take no new requests, and when the last of theirs is done.
//!
//! Pure: it is told the time; requests in flight are atomics that it reads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::clock::later;
use super::limits::RETRY_AFTER;
use super::ttl::Key;
use super::vitals::Vitals;
use crate::model::UnixMillis;

/// Requests in flight are counted this often.
const COUNT_EVERY: Duration = Duration::from_millis(100);

/// All draining instances.
#[derive(Debug, Default)]
pub(super) struct Drains {
    entries: BTreeMap<Key, Entry>,
    next: UnixMillis,
}

#[derive(Debug)]
struct Entry {
    vitals: Arc<Vitals>,
    since: UnixMillis,
    /// Not to be looked at before: a request that was being sent when it began may arrive until then.
    quiet_until: UnixMillis,
}

impl Drains {
    /// Begins to drain; again is the same.
    pub(super) fn begin(&mut self, key: Key, vitals: Arc<Vitals>, now: UnixMillis) {
        let quiet_until = later(now, COUNT_EVERY);
        if self.entries.is_empty() {
            self.next = quiet_until;
        }
        self.entries.entry(key).or_insert(Entry { vitals, since: now, quiet_until });
    }

    /// It is gone, or called back.
    pub(super) fn forget(&mut self, key: &Key) {
        self.entries.remove(key);
    }

    /// When there is something to count.
    pub(super) fn next_look(&self) -> Option<UnixMillis> {
        (!self.entries.is_empty()).then_some(self.next)
    }

    /// Those that are done, or had `timeout` for it. Told again, later, until they are forgotten.
    pub(super) fn advance(&mut self, now: UnixMillis, timeout: Duration) -> Vec<Key> {
        if self.next_look().is_none_or(|next| now < next) {
            return Vec::new();
        }
        self.next = later(now, COUNT_EVERY);
        let mut done = Vec::new();
        for (key, entry) in &mut self.entries {
            let is_over = now >= later(entry.since, timeout);
            if now >= entry.quiet_until && (is_over || entry.vitals.endpoint.active() == 0) {
                entry.quiet_until = later(now, RETRY_AFTER);
                done.push(key.clone());
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstanceId, ServiceKey, ServiceName};

    #[test]
    fn an_instance_leaves_when_its_last_request_is_done_or_the_time_is_over() {
        let timeout = Duration::from_secs(30);
        let service = ServiceKey::in_default(ServiceName::new("web").unwrap());
        let key = |id| (service.clone(), InstanceId::new(id).unwrap());
        let (idle, busy) =
            (Arc::new(Vitals::new(UnixMillis(0))), Arc::new(Vitals::new(UnixMillis(0))));
        busy.endpoint.enter();
        let mut drains = Drains::default();
        drains.begin(key("idle"), idle, UnixMillis(0));
        drains.begin(key("busy"), busy.clone(), UnixMillis(0));
        assert_eq!(drains.advance(UnixMillis(99), timeout), []);
        assert_eq!(drains.advance(UnixMillis(100), timeout), [key("idle")]);
        assert_eq!(drains.advance(UnixMillis(200), timeout), [], "it was told of already");
        assert_eq!(drains.advance(UnixMillis(1100), timeout), [key("idle")], "nobody listened");
        drains.forget(&key("idle"));
        assert_eq!(drains.advance(UnixMillis(29_999), timeout), []);
        assert_eq!(drains.advance(UnixMillis(30_099), timeout), [key("busy")]);
        drains.forget(&key("busy"));
        assert_eq!(drains.next_look(), None);
    }
}
