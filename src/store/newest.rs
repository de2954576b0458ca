//! Looking back: a page of what is kept in the order of its places, the newest first.

use std::collections::VecDeque;

use super::integer;

/// Which of many: at most `limit`, of those whose place is below `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestFirst {
    pub before: Option<u64>,
    pub limit: usize,
}

impl NewestFirst {
    /// What places stay below.
    pub(super) fn bound(self) -> i64 {
        self.before.map_or(i64::MAX, integer)
    }

    /// Those of `rows` (the newest is the last) that are wanted.
    pub(super) fn of<T: Clone>(
        self,
        rows: &VecDeque<T>,
        place: impl Fn(&T) -> u64,
        is_wanted: impl Fn(&T) -> bool,
    ) -> Vec<T> {
        let is_below = |row: &&T| self.before.is_none_or(|before| place(row) < before);
        let found = rows.iter().rev().filter(is_below).filter(|row| is_wanted(row));
        found.take(self.limit).cloned().collect()
    }
}
