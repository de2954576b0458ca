//! So many sendings a minute, and no more: for receivers that block who tells too much.
//!
//! Remembers when each of the last minute's was begun, so that the limit holds for any minute, not only for
//! those of a clock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::UnixMillis;

const MINUTE: Duration = Duration::from_secs(60);

/// When sendings were begun.
#[derive(Debug, Default)]
pub struct Pace {
    /// Without one, nothing is remembered.
    per_minute: Option<u32>,
    /// At most `per_minute` of them, oldest first.
    begun: VecDeque<UnixMillis>,
}

impl Pace {
    /// Goes by another limit from now on.
    pub fn limit(&mut self, per_minute: Option<u32>) {
        self.per_minute = per_minute;
        self.shorten();
    }

    /// One is begun.
    pub fn step(&mut self, now: UnixMillis) {
        self.begun.push_back(now);
        self.shorten();
    }

    /// Before that, none may be begun.
    pub fn free_at(&self) -> Option<UnixMillis> {
        let is_full = self.per_minute.is_some_and(|most| self.begun.len() >= most as usize);
        self.begun.front().filter(|_| is_full).map(|oldest| oldest.after(MINUTE))
    }

    fn shorten(&mut self) {
        let most = self.per_minute.unwrap_or(0) as usize;
        self.begun.drain(..self.begun.len().saturating_sub(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_than_it_may() {
        let mut pace = Pace::default();
        pace.step(UnixMillis(0));
        assert_eq!(pace.free_at(), None, "without a limit");
        pace.limit(Some(2));
        for (now, free) in [(0, None), (50_000, Some(60_000)), (60_000, Some(110_000))] {
            pace.step(UnixMillis(now));
            assert_eq!(pace.free_at(), free.map(UnixMillis), "{now}");
        }
        pace.limit(Some(1));
        assert_eq!(pace.free_at(), Some(UnixMillis(120_000)), "a smaller one holds at once");
        pace.limit(None);
        assert_eq!(pace.free_at(), None);
    }
}
