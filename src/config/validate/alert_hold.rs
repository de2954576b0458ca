//! How long an Alertmanager takes what it was told for true: an alert that still fires must be told again by then.

use serde_json::Value;

use super::check::Check;
use crate::config::path::KeyPath;
use crate::config::schema::Alerts;

/// The built-in component that tells an Alertmanager.
const ALERTMANAGER: &str = "alertmanager";
/// Its key for that, and what it takes where there is none.
const KEY: &str = "hold_seconds";
const DEFAULT_SECONDS: u64 = 5 * 60 * 60;

/// Complains of channels that would call an alert over while it fires.
pub fn outlasts(alerts: &Alerts, at: &KeyPath, check: &mut Check<'_>) {
    // A group is told again when it is looked at for the first time after `repeat_interval`.
    let least = alerts.repeat_interval.0.saturating_add(alerts.group_interval.0).as_secs();
    let channels = alerts.channels.iter().filter(|(_, channel)| channel.plugin == ALERTMANAGER);
    for (name, channel) in channels {
        let written = channel.config.get(KEY);
        // What is no number is refused by the component.
        let seconds = written.map_or(Some(DEFAULT_SECONDS), Value::as_u64);
        if seconds.is_none_or(|seconds| seconds > least) {
            continue;
        }
        let what = match written {
            Some(_) => "is too short: what fires would be over there before it is told again",
            None => {
                "is missing, and 18000 too short: what fires would be over there before it is told again"
            }
        };
        let at = at.key("channels").key(name).key("config").key(KEY);
        let allowed = format!("more than {least}: `repeat_interval` and `group_interval`");
        check.refuse(&at, what, &allowed);
    }
}
