//! Counters of one family that differ in their last label.

use std::sync::OnceLock;

use prometheus::{IntCounter, IntCounterVec};

/// One counter a word; each is looked up with its first event, and is no series before.
pub(super) struct ByWord(Box<[(&'static str, OnceLock<IntCounter>)]>);

impl ByWord {
    pub(super) fn new(words: &[&'static str]) -> Self {
        Self(words.iter().map(|word| (*word, OnceLock::new())).collect())
    }

    /// Counts the word at `place`.
    pub(super) fn inc(&self, place: usize, family: &IntCounterVec, [first, second]: [&str; 2]) {
        let (word, counter) = &self.0[place];
        counter.get_or_init(|| family.with_label_values(&[first, second, word])).inc();
    }

    pub(super) fn sum(&self) -> u64 {
        self.0.iter().filter_map(|(_, counter)| counter.get()).map(|counter| counter.get()).sum()
    }

    /// Takes all of them out, those too that an older handle for the same labels brought in.
    pub(super) fn remove(&self, family: &IntCounterVec, [first, second]: [&str; 2]) {
        for (word, _) in &self.0 {
            let _ = family.remove_label_values(&[first, second, word]);
        }
    }
}
