//! file: writes each notification as a line of JSON to a file.
//!
//! ```toml
//! [alerts.channels.log]
//! plugin = "file"
//! file = "/var/log/proconsul/alerts.jsonl"
//! ```
//!
//! The file is opened for each line, so whoever rotates it needs to tell nobody.

use proconsul_plugin::alert_channel::{Alert, AlertChannel, Error, Notification, journal};
use serde_json::{Map, Value, json};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {}

struct File;

impl AlertChannel for File {
    type Config = Config;

    fn new(_: Config) -> Result<Self, String> {
        Ok(Self)
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        // A disk that is full is emptied again by somebody.
        journal::append(&line(notification).to_string()).map_err(Error::passing)?;
        Ok(String::new())
    }
}

proconsul_plugin::export_alert_channel!(File);

fn line(notification: &Notification) -> Value {
    json!({
        "time_ms": notification.made_ms,
        "sequence": notification.sequence,
        "status": if notification.is_resolved() { "resolved" } else { "firing" },
        "group_key": notification.group_key,
        "group_labels": object(&notification.group_labels),
        "truncated": notification.truncated,
        "alerts": notification.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

fn alert(alert: &Alert) -> Value {
    json!({
        "labels": object(&alert.labels),
        "annotations": object(&alert.annotations),
        "started_ms": alert.started_ms,
        "ended_ms": alert.ended_ms,
    })
}

fn object(labels: &[(String, String)]) -> Map<String, Value> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    #[test]
    fn a_notification_is_one_line() {
        let mut notification = sample();
        notification.alerts[0].annotations = vec![("summary".into(), "two\nlines".into())];
        let line = line(&notification).to_string();
        assert!(!line.contains('\n'), "{line}");
        let back: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(back["alerts"][0]["annotations"]["summary"], "two\nlines");
        assert_eq!(back["alerts"][0]["ended_ms"], Value::Null);
    }
}
