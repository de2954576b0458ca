//! Alerts: what is evaluated, and how often.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::rules::{Pattern, Rule};

/// What is told when something is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    pub evaluation_interval: Duration,
    /// Those that are switched on, in the order of their names.
    pub rules: Vec<ConfiguredRule>,
}

/// A rule, and where it is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredRule {
    pub rule: Arc<Rule>,
    /// On machines with such names, whose label its alerts have; `None` = everywhere, without.
    pub node: Option<Pattern>,
}

/// The label with a machine's name.
pub const NODE_LABEL: &str = "node";

impl Alerts {
    /// The rules of one machine, with its name on those that are about machines.
    pub fn rules_on(&self, node: &str) -> Vec<Arc<Rule>> {
        let each = self.rules.iter().filter_map(|ConfiguredRule { rule, node: on }| match on {
            None => Some(rule.clone()),
            Some(pattern) if pattern.matches(node) => {
                let mut rule = Rule::clone(rule);
                rule.labels.insert(NODE_LABEL.to_owned(), node.to_owned());
                Some(Arc::new(rule))
            }
            Some(_) => None,
        });
        each.collect()
    }
}
