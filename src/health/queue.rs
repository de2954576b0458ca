//! What is due when: a heap of moments. An entry that is overtaken stays until its moment, and is passed
//! over then.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Numbers a check of an instance; never used again.
pub(super) type TaskId = u64;

#[derive(Default)]
pub(super) struct Queue(BinaryHeap<Reverse<(Instant, TaskId)>>);

impl Queue {
    pub(super) fn push(&mut self, due: Instant, task: TaskId) {
        self.0.push(Reverse((due, task)));
    }

    /// The earliest moment.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes the earliest entry, if it is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Instant, TaskId)> {
        let Reverse((due, _)) = self.0.peek()?;
        if *due > now {
            return None;
        }
        self.0.pop().map(|Reverse(entry)| entry)
    }
}
