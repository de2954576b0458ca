//! What is written without anybody waiting for it: events, and what a reload changed.
//!
//! Goes along with the next commit, or by itself when that does not come. What the process had not
//! written when it was killed is lost: at most the last second of it.

use std::collections::VecDeque;

use super::clock::later;
use super::limits::{MAX_UNSAVED, RETRY_AFTER, SAVE_AFTER, SAVE_AT, TRIM_EVERY};
use crate::config;
use crate::model::UnixMillis;
use crate::store::Write;

#[derive(Debug, Default)]
pub(super) struct Trail {
    unsaved: VecDeque<Write>,
    /// When it is written at the latest.
    due: Option<UnixMillis>,
    /// Rows since they were last trimmed.
    untrimmed: u64,
}

impl Trail {
    /// Adds something to be written. Returns how many older ones were dropped for it.
    pub(super) fn push(&mut self, write: Write, now: UnixMillis) -> u64 {
        self.due.get_or_insert(later(now, SAVE_AFTER));
        if self.unsaved.len() >= SAVE_AT {
            self.due = self.due.min(Some(now));
        }
        self.unsaved.push_back(write);
        let surplus = self.unsaved.len().saturating_sub(MAX_UNSAVED);
        self.unsaved.drain(..surplus);
        surplus as u64
    }

    /// When it wants to be written; `None` = there is nothing.
    pub(super) fn due(&self) -> Option<UnixMillis> {
        self.due
    }

    /// What goes along with a commit.
    pub(super) fn take(&mut self, now: UnixMillis) -> Vec<Write> {
        let taken: Vec<_> = self.unsaved.drain(..self.unsaved.len().min(SAVE_AT)).collect();
        self.due = (!self.unsaved.is_empty()).then_some(now);
        taken
    }

    /// Takes back what could not be written, for a later try.
    pub(super) fn give_back(&mut self, taken: Vec<Write>, now: UnixMillis) {
        for write in taken.into_iter().rev() {
            self.unsaved.push_front(write);
        }
        self.due = (!self.unsaved.is_empty()).then(|| later(now, RETRY_AFTER));
    }

    /// What to trim, now that so many rows more were written.
    pub(super) fn trim_after(&mut self, rows: u64, limits: &config::Registry) -> Option<Write> {
        self.untrimmed += rows;
        (self.untrimmed >= TRIM_EVERY).then(|| {
            self.untrimmed = 0;
            Write::Trim { audit: limits.max_audit_records, events: limits.max_events as u64 }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_after_a_while_or_at_once_when_much_waits_and_is_bounded() {
        let mut trail = Trail::default();
        let write = || Write::PutIndex(1);
        trail.push(write(), UnixMillis(5));
        trail.push(write(), UnixMillis(6));
        assert_eq!(trail.due(), Some(UnixMillis(1005)));
        for _ in 0..SAVE_AT {
            trail.push(write(), UnixMillis(7));
        }
        assert_eq!(trail.due(), Some(UnixMillis(7)));
        let taken = trail.take(UnixMillis(8));
        assert_eq!((taken.len(), trail.due()), (SAVE_AT, Some(UnixMillis(8))));
        trail.give_back(taken, UnixMillis(9));
        assert_eq!((trail.unsaved.len(), trail.due()), (SAVE_AT + 2, Some(UnixMillis(1009))));
        let dropped: u64 = (0..MAX_UNSAVED).map(|_| trail.push(write(), UnixMillis(9))).sum();
        assert_eq!((trail.unsaved.len(), dropped), (MAX_UNSAVED, SAVE_AT as u64 + 2));
    }
}
