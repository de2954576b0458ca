//! `[alerts]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AlertRule, Time};

/// What is told when something is wrong.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// How often all rules are evaluated. 1s to 10m.
    pub evaluation_interval: Time,
    /// Rules to switch on as they are, by their kinds; `all` is every one that needs nothing said.
    pub ready_made: Vec<String>,
    /// Rules by name. One with the name of a kind is of that kind.
    pub rules: BTreeMap<String, AlertRule>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            evaluation_interval: Time::from_secs(10),
            ready_made: Vec::new(),
            rules: BTreeMap::new(),
        }
    }
}
