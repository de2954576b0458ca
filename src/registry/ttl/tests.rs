//! The machine in made-up time: chosen cases, and random ones against what must hold.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::registry::sample::web;

const TTL_MS: u64 = 100;
const GRACE_MS: u64 = 250;
const NEVER_SUSPICIOUS: u32 = 100;
const LIMIT: Duration = Duration::from_secs(60);

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
            suspicion_limit: LIMIT,
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
                Step::Trusts | Step::Believes { .. } => {
                    assert!(std::mem::take(&mut self.suspects));
                }
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
        assert_eq!(self.lapses.suspects_since.is_some(), self.suspects);
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

#[test]
fn self_preservation_ends_at_its_limit_and_does_not_begin_again_for_the_same_silence() {
    let limit_ms = u64::try_from(LIMIT.as_millis()).unwrap();
    let mut bench = Bench::new(50, 1);
    for instance in 0..5 {
        bench.register(instance);
    }
    let spell = |bench: &mut Bench, ms| {
        for _ in 0..ms / 50 {
            bench.pass(50);
            bench.beat(4);
        }
    };
    spell(&mut bench, TTL_MS);
    assert!(bench.suspects, "four out of five");
    spell(&mut bench, limit_ms - 50);
    assert_eq!(words(&bench)[..4], [Word::Kept; 4]);
    spell(&mut bench, 50);
    assert!(!bench.suspects, "that is how it is, then");
    assert!(words(&bench)[..4].iter().all(|word| matches!(word, Word::Lapsed { .. })));
    bench.beat(0);
    spell(&mut bench, 50);
    bench.assert_counts();
    assert_eq!(words(&bench)[0], Word::Passing, "who is heard of is back");
    bench.forget(0);
    spell(&mut bench, GRACE_MS);
    assert_eq!(words(&bench), [Word::Expired, Word::Expired, Word::Expired, Word::Passing]);
    bench.pass(TTL_MS);
    assert!(!bench.suspects, "one more out of four is no reason");
}
