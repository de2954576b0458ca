//! Inhibition: while one alert fires, nobody is told of another one that follows from it.

use super::matcher::Matchers;
use crate::model::Labels;

/// An alert that matches `target` is not told of while one that matches `source` fires, if both have the same
/// values of the labels in `equal` (a label that is not there is the empty text). No alert inhibits itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Inhibition {
    pub source: Matchers,
    pub target: Matchers,
    pub equal: Vec<String>,
}

impl Inhibition {
    /// Whether an alert with labels `source` keeps one with labels `target` from being told.
    pub fn mutes(&self, source: &Labels, target: &Labels) -> bool {
        source != target
            && self.target.matches(target)
            && self.source.matches(source)
            && self.equal_of(source) == self.equal_of(target)
            // What matches both sides would keep its equals, and itself by way of them, from being told.
            && !(self.target.matches(source) && self.source.matches(target))
    }

    /// The values in which both have to agree.
    pub(super) fn equal_of<'a>(&self, labels: &'a Labels) -> Vec<&'a str> {
        self.equal.iter().map(|label| labels.get(label).map_or("", String::as_str)).collect()
    }
}
