//! Which heart-beats stay away, and what follows from that.
//!
//! A heap holds for each instance the moment at which it is to be looked at; a look compares with
//! the last heart-beat and puts the instance back. So a heart-beat costs nothing here. Without one
//! within its time-to-live an instance is *lapsed* (critical), and after the grace *expired* (to be
//! deregistered).
//!
//! When too many stay away at once the registry rather suspects itself: [`suspicion`].
//!
//! Pure: it is told the time, and the last beats are atomics that it reads.

mod suspicion;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::clock::later;
use super::limits::RETRY_AFTER;
use super::vitals::Vitals;
use crate::model::{InstanceId, ServiceKey, UnixMillis};

/// Lapses within this, or within the time-to-live where that is longer, are "at once".
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// Looks in the heap that nobody waits for any more; with more it is swept.
const MAX_STALE_LOOKS: usize = 1024;

/// An instance within the registry.
pub(super) type Key = (ServiceKey, InstanceId);

/// What configuration says of lapses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// From lapsed to expired.
    pub grace: Duration,
    /// More than this share of all time-to-lives at once is suspicious.
    pub suspicious_percent: u32,
    /// Fewer are never.
    pub suspicious_least: u32,
    /// The registry does not suspect itself for longer.
    pub suspicion_limit: Duration,
}

/// What became of instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// No heart-beat within its time-to-live: critical.
    Lapsed { key: Key, silent: Duration },
    /// The same, but the registry suspects itself.
    Kept { key: Key, silent: Duration },
    /// Heard of again.
    Returned { key: Key },
    /// Lapsed for as long as the grace: to be deregistered. Told again until it is forgotten.
    Expired { key: Key },
    /// Self-preservation begins.
    Suspects { silent: usize, total: usize },
    /// Self-preservation ends: few enough are silent.
    Trusts,
    /// Self-preservation ends at its limit: so many are silent still, and lapse now.
    Believes { silent: usize },
}

/// All time-to-lives.
#[derive(Debug, Default)]
pub(super) struct Lapses {
    entries: HashMap<Key, Entry>,
    looks: BinaryHeap<Reverse<(UnixMillis, u64)>>,
    /// Whose look it is; one that is not here any more is stale.
    armed: HashMap<u64, Key>,
    serial: u64,
    /// Lapses that are recent, by when they stop being so.
    recent: BTreeMap<(UnixMillis, u64), Recent>,
    /// Of those, of instances that are gone since.
    recent_gone: usize,
    /// When self-preservation began, while it lasts.
    suspects_since: Option<UnixMillis>,
    /// Silent while the registry suspects itself.
    kept: usize,
}

#[derive(Debug)]
struct Entry {
    ttl: Duration,
    vitals: Arc<Vitals>,
    state: State,
    /// Silence counts from here at the earliest.
    since: UnixMillis,
    look: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Alive,
    Kept,
    /// `recent` = its place among the recent lapses, if it was ever one of them.
    Lapsed {
        at: UnixMillis,
        recent: Option<(UnixMillis, u64)>,
        expired: bool,
    },
}

#[derive(Debug, Clone)]
enum Recent {
    There(Key),
    Gone,
}

impl Lapses {
    /// Expects heart-beats of an instance from `now` on; or with another time-to-live than before.
    pub(super) fn track(&mut self, key: Key, ttl: Duration, vitals: Arc<Vitals>, now: UnixMillis) {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.ttl == ttl => return,
            Some(entry) => {
                entry.ttl = ttl;
                entry.since = now;
            }
            None => {
                let entry = Entry { ttl, vitals, state: State::Alive, since: now, look: 0 };
                self.entries.insert(key.clone(), entry);
            }
        }
        self.look_at(key, later(now, ttl));
    }

    /// Expects nothing any more: it is gone, or needs no heart-beats.
    pub(super) fn forget(&mut self, key: &Key, rules: &Rules, now: UnixMillis) -> Vec<Step> {
        let Some(entry) = self.entries.remove(key) else { return Vec::new() };
        self.armed.remove(&entry.look);
        match entry.state {
            State::Alive => {}
            State::Kept => self.kept -= 1,
            // What the registry itself deregistered still counts as silent.
            State::Lapsed { recent, expired: true, .. } => {
                if let Some(lapse) = recent.and_then(|recent| self.recent.get_mut(&recent)) {
                    *lapse = Recent::Gone;
                    self.recent_gone += 1;
                }
            }
            State::Lapsed { recent, expired: false, .. } => self.forget_lapse(recent),
        }
        self.trust_again(rules, now)
    }

    /// An instance that was not well was heard of.
    pub(super) fn returned(&mut self, key: &Key, rules: &Rules, now: UnixMillis) -> Vec<Step> {
        let Some(entry) = self.entries.get_mut(key) else { return Vec::new() };
        let ttl = entry.ttl;
        match std::mem::replace(&mut entry.state, State::Alive) {
            State::Alive => {}
            State::Kept => self.kept -= 1,
            State::Lapsed { recent, .. } => self.forget_lapse(recent),
        }
        self.look_at(key.clone(), later(now, ttl));
        let mut steps = vec![Step::Returned { key: key.clone() }];
        steps.extend(self.trust_again(rules, now));
        steps
    }

    /// When there is something to look at.
    pub(super) fn next_look(&self) -> Option<UnixMillis> {
        self.looks.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether an instance's grace is over, and it is still silent.
    pub(super) fn is_expired(&self, key: &Key, now: UnixMillis) -> bool {
        self.entries.get(key).is_some_and(|entry| {
            matches!(entry.state, State::Lapsed { expired: true, .. })
                && later(entry.vitals.last_beat(), entry.ttl) <= now
        })
    }

    /// Looks at those whose moment has come, at most `limit` of them.
    pub(super) fn advance(&mut self, now: UnixMillis, rules: &Rules, limit: usize) -> Vec<Step> {
        self.age(now);
        let mut steps = Vec::new();
        let mut silent = Vec::new();
        for _ in 0..limit {
            let due = self.looks.peek().filter(|Reverse((at, _))| *at <= now);
            let Some(&Reverse((_, look))) = due else { break };
            self.looks.pop();
            if let Some(key) = self.armed.remove(&look) {
                self.look(key, rules, now, &mut steps, &mut silent);
            }
        }
        self.judge(silent, rules, now, &mut steps);
        steps.extend(self.trust_again(rules, now));
        self.believe(rules, now, &mut steps);
        steps
    }

    fn look(
        &mut self,
        key: Key,
        rules: &Rules,
        now: UnixMillis,
        steps: &mut Vec<Step>,
        silent: &mut Vec<Key>,
    ) {
        let entry = self.entries.get_mut(&key).expect("an armed look's instance is tracked");
        let heard = entry.vitals.last_beat().max(entry.since);
        let deadline = later(heard, entry.ttl);
        match &mut entry.state {
            State::Alive if now < deadline => self.look_at(key, deadline),
            State::Alive => silent.push(key),
            State::Kept if now < deadline => steps.extend(self.returned(&key, rules, now)),
            State::Kept => {
                let again = later(now, entry.ttl);
                self.look_at(key, again);
            }
            State::Lapsed { .. } if now < deadline => {
                steps.extend(self.returned(&key, rules, now));
            }
            State::Lapsed { at, expired, .. } => {
                let end = later(*at, rules.grace);
                let again = if now < end {
                    end
                } else {
                    if self.suspects_since.is_none() {
                        *expired = true;
                        steps.push(Step::Expired { key: key.clone() });
                    }
                    later(now, RETRY_AFTER)
                };
                self.look_at(key, again);
            }
        }
    }

    fn lapse(&mut self, key: Key, rules: &Rules, now: UnixMillis, steps: &mut Vec<Step>) {
        self.serial += 1;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let recent = (later(now, entry.ttl.max(WINDOW)), self.serial);
        entry.state = State::Lapsed { at: now, recent: Some(recent), expired: false };
        let silent = now.since(entry.vitals.last_beat());
        self.recent.insert(recent, Recent::There(key.clone()));
        steps.push(Step::Lapsed { key: key.clone(), silent });
        self.look_at(key, later(now, rules.grace));
    }

    fn look_at(&mut self, key: Key, at: UnixMillis) {
        self.serial += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            self.armed.remove(&entry.look);
            entry.look = self.serial;
            self.looks.push(Reverse((at, self.serial)));
            self.armed.insert(self.serial, key);
        }
        if self.looks.len() > 2 * self.armed.len() + MAX_STALE_LOOKS {
            self.looks.retain(|Reverse((_, look))| self.armed.contains_key(look));
        }
    }
}

#[cfg(test)]
mod tests;
