//! Which heart-beats stay away, and what follows from that.
//!
//! A heap holds for each instance the moment at which it is to be looked at; a look compares with
//! the last heart-beat and puts the instance back. So a heart-beat costs nothing here. Without one
//! within its time-to-live an instance is *lapsed* (critical), and after the grace *expired* (to be
//! deregistered).
//!
//! **Self-preservation**, after Eureka's: when more than a set share of all time-to-lives lapse within a
//! window, it is likelier that the registry hears nothing than that all of those are dead. It then *keeps*
//! them, those that lapsed within the window too, and lets nobody expire. As soon as no more than that
//! share is silent it trusts itself again, and gives each that is silent still a whole time-to-live more,
//! for beats come back one by one. If they never come back it never does: whoever really
//! stopped most of a cluster at once has to deregister it, or to switch this off (100 percent).
//!
//! Pure: it is told the time, and the last beats are atomics that it reads.

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
    /// Self-preservation ends.
    Trusts,
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
    suspects: bool,
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
    Lapsed { at: UnixMillis, recent: (UnixMillis, u64), expired: bool },
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
                if let Some(lapse) = self.recent.get_mut(&recent) {
                    *lapse = Recent::Gone;
                    self.recent_gone += 1;
                }
            }
            State::Lapsed { recent, expired: false, .. } => _ = self.recent.remove(&recent),
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
            State::Lapsed { recent, .. } => _ = self.recent.remove(&recent),
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
                    if !self.suspects {
                        *expired = true;
                        steps.push(Step::Expired { key: key.clone() });
                    }
                    later(now, RETRY_AFTER)
                };
                self.look_at(key, again);
            }
        }
    }

    /// Decides about those that were found silent together.
    fn judge(&mut self, silent: Vec<Key>, rules: &Rules, now: UnixMillis, steps: &mut Vec<Step>) {
        if silent.is_empty() {
            return;
        }
        let total = self.entries.len() + self.recent_gone;
        let count = self.recent.len() + silent.len();
        if !self.suspects && is_suspicious(count, total, rules) {
            self.suspects = true;
            steps.push(Step::Suspects { silent: count, total });
            let recent = std::mem::take(&mut self.recent);
            self.recent_gone = 0;
            for lapse in recent.into_values() {
                if let Recent::There(key) = lapse {
                    self.keep(key, now, steps);
                }
            }
        }
        for key in silent {
            if self.suspects {
                self.keep(key, now, steps);
            } else {
                self.lapse(key, rules, now, steps);
            }
        }
    }

    fn keep(&mut self, key: Key, now: UnixMillis, steps: &mut Vec<Step>) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.state = State::Kept;
        self.kept += 1;
        let silent = now.since(entry.vitals.last_beat());
        let again = later(now, entry.ttl);
        steps.push(Step::Kept { key: key.clone(), silent });
        self.look_at(key, again);
    }

    fn lapse(&mut self, key: Key, rules: &Rules, now: UnixMillis, steps: &mut Vec<Step>) {
        self.serial += 1;
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let recent = (later(now, entry.ttl.max(WINDOW)), self.serial);
        entry.state = State::Lapsed { at: now, recent, expired: false };
        let silent = now.since(entry.vitals.last_beat());
        self.recent.insert(recent, Recent::There(key.clone()));
        steps.push(Step::Lapsed { key: key.clone(), silent });
        self.look_at(key, later(now, rules.grace));
    }

    /// Ends self-preservation when few enough are silent.
    fn trust_again(&mut self, rules: &Rules, now: UnixMillis) -> Vec<Step> {
        if !self.suspects || is_suspicious(self.kept, self.entries.len(), rules) {
            return Vec::new();
        }
        self.suspects = false;
        self.kept = 0;
        let kept = self.entries.iter().filter(|(_, entry)| entry.state == State::Kept);
        let kept: Vec<_> = kept.map(|(key, entry)| (key.clone(), entry.ttl)).collect();
        for (key, ttl) in kept {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.state = State::Alive;
            }
            self.look_at(key, later(now, ttl)); // not before: its beat may be on its way
        }
        vec![Step::Trusts]
    }

    /// Forgets lapses that are recent no more.
    fn age(&mut self, now: UnixMillis) {
        while let Some(first) = self.recent.first_entry().filter(|first| first.key().0 <= now) {
            if matches!(first.remove(), Recent::Gone) {
                self.recent_gone -= 1;
            }
        }
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

/// Whether so many silent ones among all are too many to be believed.
fn is_suspicious(silent: usize, total: usize, rules: &Rules) -> bool {
    silent > 0
        && silent >= rules.suspicious_least as usize
        && silent * 100 > rules.suspicious_percent as usize * total
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::registry::sample::web;

    const TTL_MS: u64 = 100;
    const GRACE_MS: u64 = 250;
    const NEVER_SUSPICIOUS: u32 = 100;

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Word {
        Passing,
        Kept,
        Lapsed { at: u64 },
        Expired,
    }

    /// The machine, with what it said of each instance, and the vitals that it reads.
    struct Bench {
        lapses: Lapses,
        rules: Rules,
        now: u64,
        vitals: BTreeMap<u8, (Arc<Vitals>, u64)>,
        said: BTreeMap<u8, Word>,
        suspects: bool,
    }

    fn key(instance: u8) -> Key {
        (web(), InstanceId::new(&instance.to_string()).unwrap())
    }

    impl Bench {
        fn new(percent: u32, least: u32) -> Self {
            let rules = Rules {
                grace: Duration::from_millis(GRACE_MS),
                suspicious_percent: percent,
                suspicious_least: least,
            };
            Self {
                lapses: Lapses::default(),
                rules,
                now: 1_000,
                vitals: BTreeMap::new(),
                said: BTreeMap::new(),
                suspects: false,
            }
        }

        fn now(&self) -> UnixMillis {
            UnixMillis(self.now)
        }

        fn hear(&mut self, steps: Vec<Step>) {
            for step in steps {
                let number = |key: &Key| key.1.as_str().parse::<u8>().unwrap();
                match step {
                    Step::Lapsed { key, .. } => {
                        assert!(!self.suspects, "nothing lapses in self-preservation");
                        self.said.insert(number(&key), Word::Lapsed { at: self.now });
                    }
                    Step::Kept { key, .. } => {
                        assert!(self.suspects, "kept by self-preservation alone");
                        self.said.insert(number(&key), Word::Kept);
                    }
                    Step::Returned { key } => _ = self.said.insert(number(&key), Word::Passing),
                    Step::Expired { key } => {
                        assert!(!self.suspects, "nothing expires in self-preservation");
                        self.said.insert(number(&key), Word::Expired);
                    }
                    Step::Suspects { silent, total } => {
                        assert!(!self.suspects && silent <= total);
                        self.suspects = true;
                    }
                    Step::Trusts => assert!(std::mem::take(&mut self.suspects)),
                }
            }
        }

        fn register(&mut self, instance: u8) {
            let now = self.now();
            let entry = self.vitals.entry(instance);
            let (vitals, heard) = entry.or_insert_with(|| (Arc::new(Vitals::new(now)), now.0));
            vitals.beat(&Default::default(), now);
            *heard = now.0;
            let ttl = Duration::from_millis(TTL_MS);
            self.lapses.track(key(instance), ttl, vitals.clone(), now);
            self.said.entry(instance).or_insert(Word::Passing);
            let steps = self.lapses.returned(&key(instance), &self.rules, now);
            self.hear(steps);
        }

        /// As the façade does it: the machine hears of it only if the instance is not well.
        fn beat(&mut self, instance: u8) {
            let now = self.now();
            let Some((vitals, heard)) = self.vitals.get_mut(&instance) else { return };
            vitals.beat(&Default::default(), now);
            *heard = now.0;
            if self.said[&instance] != Word::Passing {
                let steps = self.lapses.returned(&key(instance), &self.rules, now);
                self.hear(steps);
            }
        }

        fn forget(&mut self, instance: u8) {
            self.vitals.remove(&instance);
            self.said.remove(&instance);
            let steps = self.lapses.forget(&key(instance), &self.rules, self.now());
            self.hear(steps);
        }

        fn pass(&mut self, ms: u64) {
            self.now += ms;
            let steps = self.lapses.advance(self.now(), &self.rules, usize::MAX);
            self.hear(steps);
        }

        fn act(&mut self, (act, instance, ms): (u8, u8, u64)) {
            match act {
                0 => self.register(instance),
                1 | 2 => self.beat(instance),
                3 => self.forget(instance),
                _ => self.pass(ms),
            }
        }

        fn silent_ms(&self, instance: u8) -> u64 {
            self.now - self.vitals[&instance].1
        }

        /// The counts that the machine keeps are those that one would count.
        fn assert_counts(&self) {
            let entries = self.lapses.entries.values();
            let kept = entries.filter(|entry| entry.state == State::Kept).count();
            assert_eq!(self.lapses.kept, kept);
            assert_eq!(self.lapses.suspects, self.suspects);
            assert_eq!(self.lapses.armed.len(), self.lapses.entries.len());
            let gone = self.lapses.recent.values().filter(|lapse| matches!(lapse, Recent::Gone));
            assert_eq!(self.lapses.recent_gone, gone.count());
            assert_eq!(self.lapses.entries.len(), self.vitals.len());
        }
    }

    fn acts() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
        prop::collection::vec((0..6_u8, 0..8_u8, 1..130_u64), 1..120)
    }

    proptest! {
        #[test]
        fn without_suspicion_each_is_judged_by_its_own_silence(acts in acts()) {
            let mut bench = Bench::new(NEVER_SUSPICIOUS, 0);
            for act in acts {
                bench.act(act);
                bench.pass(0);
                bench.assert_counts();
                for (&instance, &word) in &bench.said {
                    let silent = bench.silent_ms(instance);
                    match word {
                        Word::Passing => prop_assert!(silent < TTL_MS),
                        Word::Kept => prop_assert!(false, "nothing is suspicious"),
                        Word::Lapsed { at } => {
                            prop_assert!(silent >= TTL_MS && bench.now - at < GRACE_MS);
                        }
                        Word::Expired => prop_assert!(silent >= TTL_MS + GRACE_MS),
                    }
                }
            }
        }

        #[test]
        fn whoever_beats_in_time_is_never_touched(acts in acts(), percent in 0..101_u32) {
            const STEADY: u8 = 200;
            let mut bench = Bench::new(percent, 2);
            bench.register(STEADY);
            for act in acts {
                if bench.silent_ms(STEADY) + act.2 >= TTL_MS {
                    bench.beat(STEADY);
                }
                bench.act(if act.2 < TTL_MS { act } else { (4, 0, TTL_MS - 1) });
                bench.assert_counts();
                prop_assert_eq!(bench.said[&STEADY], Word::Passing);
            }
        }

        #[test]
        fn it_recovers_by_itself_when_all_beat_again(acts in acts(), percent in 0..101_u32) {
            let mut bench = Bench::new(percent, 1);
            for act in acts {
                bench.act(act);
                bench.assert_counts();
            }
            for instance in bench.vitals.keys().copied().collect::<Vec<_>>() {
                bench.beat(instance);
            }
            bench.pass(1);
            prop_assert!(!bench.suspects);
            prop_assert!(bench.said.values().all(|word| *word == Word::Passing));
        }
    }

    fn words(bench: &Bench) -> Vec<Word> {
        bench.said.values().copied().collect()
    }

    #[test]
    fn lapses_that_come_one_by_one_are_kept_once_they_are_too_many() {
        let mut bench = Bench::new(50, 3);
        for instance in 0..5 {
            bench.register(instance);
            bench.pass(10);
        }
        bench.pass(50); // the first was silent for its time-to-live, the last was not
        assert_eq!(words(&bench)[..2], [Word::Lapsed { at: 1100 }, Word::Passing]);
        bench.pass(10);
        assert_eq!(
            words(&bench)[..3],
            [Word::Lapsed { at: 1100 }, Word::Lapsed { at: 1110 }, Word::Passing]
        );
        bench.pass(10); // three out of five
        assert!(bench.suspects);
        assert_eq!(words(&bench)[..4], [Word::Kept, Word::Kept, Word::Kept, Word::Passing]);
        bench.pass(10_000);
        assert_eq!(words(&bench), [Word::Kept; 5], "for as long as it takes");
        for instance in 0..3 {
            bench.beat(instance);
        }
        assert!(!bench.suspects, "two out of five are silent");
        bench.pass(TTL_MS - 1);
        assert_eq!(words(&bench)[3..], [Word::Kept, Word::Kept], "they have a time-to-live more");
        for instance in 0..3 {
            bench.beat(instance);
        }
        bench.pass(1);
        assert!(matches!(words(&bench)[3..], [Word::Lapsed { .. }, Word::Lapsed { .. }]));
    }

    #[test]
    fn what_lapsed_long_ago_is_not_at_once() {
        let mut bench = Bench::new(50, 2);
        bench.rules.grace = WINDOW * 10;
        let window = u64::try_from(WINDOW.as_millis()).unwrap();
        for instance in 0..4 {
            bench.register(instance);
        }
        let beat = |bench: &mut Bench, first| (first..4).for_each(|i| bench.beat(i));
        for first in 1..4 {
            bench.pass(TTL_MS - 1);
            beat(&mut bench, first);
            bench.pass(1);
            // Another one falls silent only when the one before is old.
            for _ in 0..window / (TTL_MS / 2) + 1 {
                bench.pass(TTL_MS / 2);
                beat(&mut bench, first);
            }
        }
        assert!(!bench.suspects, "three out of four, but one after the other");
    }

    #[test]
    fn what_it_deregistered_itself_still_counts_as_silent() {
        let mut bench = Bench::new(50, 2);
        bench.rules.grace = Duration::from_millis(1);
        for instance in 0..4 {
            bench.register(instance);
        }
        for silent in 0..3_u8 {
            bench.pass(TTL_MS - 1);
            (silent + 1..4).for_each(|instance| bench.beat(instance));
            bench.pass(1);
            bench.pass(1);
            if bench.said[&silent] == Word::Expired {
                bench.forget(silent);
            }
        }
        assert!(bench.suspects, "three out of four, though two of those are gone");
    }

    #[test]
    fn who_is_told_of_an_expired_one_and_fails_to_remove_it_is_told_again() {
        let mut bench = Bench::new(NEVER_SUSPICIOUS, 0);
        bench.register(0);
        bench.pass(TTL_MS);
        bench.pass(GRACE_MS);
        assert_eq!(words(&bench), [Word::Expired]);
        assert!(bench.lapses.is_expired(&key(0), bench.now()));
        bench.vitals[&0].0.beat(&Default::default(), bench.now());
        assert!(!bench.lapses.is_expired(&key(0), bench.now()), "it was heard of just now");
        bench.vitals[&0].0.beat(&Default::default(), UnixMillis(1_000));
        bench.said.insert(0, Word::Passing);
        bench.now += u64::try_from(RETRY_AFTER.as_millis()).unwrap();
        bench.pass(0);
        assert_eq!(words(&bench), [Word::Expired]);
    }
}
