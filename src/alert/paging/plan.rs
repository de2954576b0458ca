//! What configuration says of telling people.

use std::time::Duration;

use super::inhibition::Inhibition;
use crate::model::ChannelName;

/// How alerts are grouped, and who is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Labels by which alerts are told together; what has the same values of them is one group.
    pub group_by: Vec<String>,
    /// From the first alert of a group to its first notification.
    pub group_wait: Duration,
    /// From a notification of a group to the next, if something changed.
    pub group_interval: Duration,
    /// The same, if nothing did.
    pub repeat_interval: Duration,
    /// An alert from outside that is not told of again for this long is over.
    pub resolve_timeout: Duration,
    /// Who is told of alerts that name nobody.
    pub default_channels: Vec<ChannelName>,
    pub inhibitions: Vec<Inhibition>,
    /// Whether a failing dependency keeps its dependents' alerts from being told.
    pub by_topology: bool,
    /// Alerts in one notification; further ones are counted.
    pub max_alerts: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            group_by: vec!["alertname".to_owned(), "namespace".to_owned(), "service".to_owned()],
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 60 * 60),
            resolve_timeout: Duration::from_secs(5 * 60),
            default_channels: Vec::new(),
            inhibitions: Vec::new(),
            by_topology: true,
            max_alerts: 100,
        }
    }
}
