//! Inhibition: while one alert fires, nobody is told of another one that follows from it.

use std::collections::HashMap;

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
    /// The values in which both have to agree.
    pub(super) fn equal_of<'a>(&self, labels: &'a Labels) -> Vec<&'a str> {
        self.equal.iter().map(|label| labels.get(label).map_or("", String::as_str)).collect()
    }
}

/// What fires of an inhibition's sources, arranged so that a storm of alerts is looked at once and not once
/// for each alert.
pub(super) struct Sources<'a> {
    inhibition: &'a Inhibition,
    of: HashMap<Vec<&'a str>, Equals<'a>>,
}

/// Sources with the same values of the labels in `equal`. One of each sort is enough.
#[derive(Default)]
struct Equals<'a> {
    any: Option<&'a Labels>,
    /// One that is no target itself.
    pure: Option<&'a Labels>,
}

impl<'a> Sources<'a> {
    pub fn new(inhibition: &'a Inhibition, firing: impl Iterator<Item = &'a Labels>) -> Self {
        let mut of: HashMap<_, Equals<'a>> = HashMap::new();
        for labels in firing.filter(|labels| inhibition.source.matches(labels)) {
            let equals = of.entry(inhibition.equal_of(labels)).or_default();
            equals.any.get_or_insert(labels);
            if equals.pure.is_none() && !inhibition.target.matches(labels) {
                equals.pure = Some(labels);
            }
        }
        Self { inhibition, of }
    }

    /// The alert that keeps one with these labels from being told. What matches both sides is kept by none
    /// that does as well: it would keep its equals, and itself by way of them, from being told.
    pub fn mute(&self, labels: &Labels) -> Option<&'a Labels> {
        let Inhibition { source, target, .. } = self.inhibition;
        if !target.matches(labels) {
            return None;
        }
        let equals = self.of.get(&self.inhibition.equal_of(labels))?;
        if source.matches(labels) { equals.pure } else { equals.any }
    }
}
