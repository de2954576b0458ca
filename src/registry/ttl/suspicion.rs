//! Self-preservation, after Eureka's: too many lapses at once are not believed.
//!
//! When more than a set share of all time-to-lives lapse within a window, it is likelier that the
//! registry hears nothing than that all of those are dead. It then *keeps* them, those that lapsed within
//! the window too, and lets nobody expire. As soon as no more than that share is silent it trusts itself
//! again, and gives each that is silent still a whole time-to-live more, for beats come back one by one.
//!
//! If they do not come back within the limit, it believes what it sees: those that are silent still lapse,
//! and have the grace as any other. They are not counted against those that fall silent later, so that it
//! does not suspect itself again for the same reason.

use std::time::Duration;

use super::{Key, Lapses, Recent, Rules, State, Step};
use crate::model::UnixMillis;
use crate::registry::clock::later;

impl Lapses {
    /// Decides about those that were found silent together.
    pub(super) fn judge(
        &mut self,
        silent: Vec<Key>,
        rules: &Rules,
        now: UnixMillis,
        steps: &mut Vec<Step>,
    ) {
        if silent.is_empty() {
            return;
        }
        let total = self.entries.len() + self.recent_gone;
        let count = self.recent.len() + silent.len();
        if self.suspects_since.is_none() && is_suspicious(count, total, rules) {
            self.suspects_since = Some(now);
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
            if self.suspects_since.is_some() {
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

    /// Ends self-preservation when few enough are silent.
    pub(super) fn trust_again(&mut self, rules: &Rules, now: UnixMillis) -> Vec<Step> {
        let too_many = is_suspicious(self.kept, self.entries.len(), rules);
        if self.suspects_since.is_none() || too_many {
            return Vec::new();
        }
        self.suspects_since = None;
        self.kept = 0;
        for (key, ttl) in self.all_kept() {
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.state = State::Alive;
            }
            self.look_at(key, later(now, ttl)); // not before: its beat may be on its way
        }
        vec![Step::Trusts]
    }

    /// Ends self-preservation that lasted to its limit.
    pub(super) fn believe(&mut self, rules: &Rules, now: UnixMillis, steps: &mut Vec<Step>) {
        let over =
            self.suspects_since.is_some_and(|since| later(since, rules.suspicion_limit) <= now);
        if !over {
            return;
        }
        self.suspects_since = None;
        steps.push(Step::Believes { silent: std::mem::take(&mut self.kept) });
        for (key, _) in self.all_kept() {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.state = State::Lapsed { at: now, recent: None, expired: false };
            let silent = now.since(entry.vitals.last_beat());
            steps.push(Step::Lapsed { key: key.clone(), silent });
            self.look_at(key, later(now, rules.grace));
        }
    }

    fn all_kept(&self) -> Vec<(Key, Duration)> {
        let kept = self.entries.iter().filter(|(_, entry)| entry.state == State::Kept);
        kept.map(|(key, entry)| (key.clone(), entry.ttl)).collect()
    }

    /// Forgets lapses that are recent no more.
    pub(super) fn age(&mut self, now: UnixMillis) {
        while let Some(first) = self.recent.first_entry().filter(|first| first.key().0 <= now) {
            if matches!(first.remove(), Recent::Gone) {
                self.recent_gone -= 1;
            }
        }
    }

    /// A lapse is over, or its instance left by itself.
    pub(super) fn forget_lapse(&mut self, recent: Option<(UnixMillis, u64)>) {
        if let Some(recent) = recent {
            self.recent.remove(&recent);
        }
    }
}

/// Whether so many silent ones among all are too many to be believed.
fn is_suspicious(silent: usize, total: usize, rules: &Rules) -> bool {
    silent > 0
        && silent >= rules.suspicious_least as usize
        && silent * 100 > rules.suspicious_percent as usize * total
}
