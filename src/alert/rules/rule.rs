//! One rule: what is measured, when that is wrong, and what is said then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::expression::{Comparison, Expression};
use super::human::Unit;
use super::state::Timing;
use super::template::{Facts, Template};
use crate::model::{ChannelName, Labels, RuleName};

/// The label with a rule's name.
pub const NAME_LABEL: &str = "alertname";
/// The label with a rule's severity.
pub const SEVERITY_LABEL: &str = "severity";
/// Labels of an alert that are not a rule's to choose.
pub const RESERVED_LABELS: [&str; 2] = [NAME_LABEL, SEVERITY_LABEL];

/// A rule, with nothing in it that could be wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub name: RuleName,
    pub expression: Expression,
    pub comparison: Comparison,
    pub threshold: f64,
    /// What the number is, for people.
    pub unit: Unit,
    pub timing: Timing,
    pub severity: String,
    /// They win over the labels of series.
    pub labels: Labels,
    pub annotations: BTreeMap<String, Template>,
    /// Who is told; empty = whoever is told by default.
    pub channels: Arc<[ChannelName]>,
}

impl Rule {
    /// What its alerts mean: while this stays the same, a changed rule goes on with the alerts that it has.
    ///
    /// Not the threshold, nor when and how it is told: those are looked at anew each time.
    pub fn meaning(&self) -> String {
        let Self { expression, comparison, severity, labels, .. } = self;
        let words = comparison.as_str();
        let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
        format!("{expression} {words} severity={severity:?} {}", labels.join(" "))
    }

    /// The alert's labels for a group.
    pub fn alert_labels(&self, group: &Labels) -> Labels {
        let mut labels = group.clone();
        labels.extend(self.labels.clone());
        labels.insert(NAME_LABEL.to_owned(), self.name.to_string());
        labels.insert(SEVERITY_LABEL.to_owned(), self.severity.clone());
        labels
    }

    /// What is said of an alert.
    pub fn annotate(&self, labels: &Labels, value: f64) -> Labels {
        let expression = self.expression.to_string();
        let facts = Facts {
            labels,
            rule: self.name.as_str(),
            expression: &expression,
            value,
            threshold: self.threshold,
            unit: self.unit,
            window: self.window(),
        };
        let each = self.annotations.iter();
        each.map(|(name, template)| (name.clone(), template.render(&facts))).collect()
    }

    /// The longest window that it looks at.
    pub fn window(&self) -> Duration {
        self.expression.terms().map(|term| term.window).max().unwrap_or_default()
    }
}
