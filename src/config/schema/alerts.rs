//! `[alerts]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{AlertChannel, AlertRule, Time};

/// What people are told when something is wrong, and how it reaches them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// How often all rules are evaluated. 1s to 10m.
    pub evaluation_interval: Time,
    /// Rules to switch on as they are, by their kinds; `all` is every one that needs nothing said.
    pub ready_made: Vec<String>,
    /// Rules by name. One with the name of a kind is of that kind.
    pub rules: BTreeMap<String, AlertRule>,
    /// Alerts with the same values of these labels are told together.
    pub group_by: Vec<String>,
    /// From the first alert of a group to its first notification.
    pub group_wait: Time,
    /// From a notification of a group to the next, if something changed.
    pub group_interval: Time,
    /// The same, if nothing did.
    pub repeat_interval: Time,
    /// An alert from outside that is not sent again for this long is over.
    pub resolve_timeout: Time,
    /// Who is told of alerts whose rule names nobody: names of channels.
    pub default_channels: Vec<String>,
    /// A failing service's alert is told in place of those of services that depend on it.
    pub dependencies_explain: bool,
    /// Alerts in one notification; further ones are counted. 1 to 10000.
    pub max_alerts: u32,
    /// Alerts that are not told while others fire.
    pub inhibit: Vec<AlertInhibition>,
    /// How alerts reach people, by name.
    pub channels: BTreeMap<String, AlertChannel>,
}

/// While an alert that matches `source` fires, one that matches `target` is not told, if they agree in `equal`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AlertInhibition {
    /// Conditions on labels, all of which have to hold: `severity=critical`, `service=~web-.*`; =, !=, =~, !~.
    pub source: Vec<String>,
    /// Likewise.
    pub target: Vec<String>,
    /// Labels of which both have the same value.
    #[serde(default)]
    pub equal: Vec<String>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            evaluation_interval: Time::from_secs(10),
            ready_made: Vec::new(),
            rules: BTreeMap::new(),
            group_by: ["alertname", "namespace", "service"].map(String::from).into(),
            group_wait: Time::from_secs(30),
            group_interval: Time::from_secs(5 * 60),
            repeat_interval: Time::from_secs(4 * 60 * 60),
            resolve_timeout: Time::from_secs(5 * 60),
            default_channels: Vec::new(),
            dependencies_explain: true,
            max_alerts: 100,
            inhibit: Vec::new(),
            channels: BTreeMap::new(),
        }
    }
}
