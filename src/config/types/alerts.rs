//! Alerts: what is evaluated, how often, and who is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::AlertChannel;
use crate::alert::paging;
use crate::alert::rules::{Pattern, Rule};
use crate::model::ChannelName;

/// What is told when something is wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    pub evaluation_interval: Duration,
    /// Those that are switched on, in the order of their names.
    pub rules: Vec<ConfiguredRule>,
    /// How alerts are grouped, and who is told.
    pub paging: Arc<paging::Plan>,
    pub channels: BTreeMap<ChannelName, Arc<AlertChannel>>,
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
