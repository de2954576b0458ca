//! What rules are evaluated over: every series at this moment, and as it was.
//!
//! Read in bulk: a family answers for all its series at once, and rules pick from the answer by place. So the
//! work over samples is done once for all rules that ask the same, and a rule costs a read and a comparison
//! for each of its series.

use std::time::Duration;

use super::expression::Function;
use crate::model::{Labels, UnixMillis};

/// Every family of series by its name. Histograms are as they are exposed: `_bucket` with `le`, `_sum`,
/// `_count`.
pub trait Series {
    /// `None` while there is no such series.
    fn family(&self, name: &str) -> Option<&dyn Family>;
}

/// The series of one name. Each has a place, from 0, and keeps it within an epoch.
pub trait Family {
    /// Another one whenever places mean something else. Series may be added at the end without.
    fn epoch(&self) -> u64;

    /// How many places there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who is at a place.
    fn labels(&self, place: usize) -> &Labels;

    /// Appends a number for each place: NaN for a series that is gone, or has too few samples.
    ///
    /// `Rate` and `Increase` know resets of counters ([`super::Stretch`]), and nothing of a series that
    /// went and came back is taken together.
    fn values(&self, function: Function, window: Duration, now: UnixMillis, into: &mut Vec<f64>);
}
