//! pagerduty: triggers an incident for each group of alerts, and resolves it when all of them are over.
//!
//! ```toml
//! [alerts.channels.on-call]
//! plugin = "pagerduty"
//! config = { routing_key = "${PAGERDUTY_KEY}" }
//! allow = ["events.pagerduty.com:443"]
//! ```
//!
//! By the Events API v2. The group's key is the `dedup_key`: what is told of a group again goes to the
//! incident that there is.

use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered, shortened};
use proconsul_plugin::http;
use serde_json::{Value, json};

/// Alerts that an event tells of; of more, only their number.
const MOST_LINES: usize = 50;

/// What PagerDuty takes of these.
const MAX_SUMMARY_CHARS: usize = 1024;
const MAX_DEDUP_CHARS: usize = 255;

/// Of one alert: an event has at most 512 KB, all of it.
const MAX_LINE_BYTES: usize = 8 << 10;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The integration key of the service.
    routing_key: String,
    /// Elsewhere for other regions.
    #[serde(default = "events")]
    url: String,
    /// What the incident is said to come from.
    #[serde(default = "source")]
    source: String,
}

fn events() -> String {
    String::from("https://events.pagerduty.com/v2/enqueue")
}

fn source() -> String {
    String::from("proconsul")
}

struct PagerDuty(Config);

impl AlertChannel for PagerDuty {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if config.routing_key.is_empty() {
            return Err(String::from(
                "`routing_key` is empty; it is the service's integration key",
            ));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let request = http::Request::new("POST", &self.0.url)
            .header("content-type", "application/json")
            .body(event(notification, &self.0).to_string());
        let response = delivered(request.send())?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        Ok(answer["dedup_key"].as_str().unwrap_or_default().to_owned())
    }
}

proconsul_plugin::export_alert_channel!(PagerDuty);

/// The event by itself.
fn event(notification: &Notification, config: &Config) -> Value {
    let dedup_key: String = dedup_key(&notification.group_key);
    if notification.is_resolved() {
        return json!({
            "routing_key": config.routing_key,
            "event_action": "resolve",
            "dedup_key": dedup_key,
        });
    }
    // One of PagerDuty's own words, for whatever an alert says.
    let severity = match notification.severity() {
        known @ ("critical" | "error" | "warning" | "info") => known,
        _ => "error",
    };
    let summary: String = notification.headline().chars().take(MAX_SUMMARY_CHARS).collect();
    let lines = notification.lines(MOST_LINES);
    let alerts: Vec<_> = lines.iter().map(|line| shortened(line, MAX_LINE_BYTES)).collect();
    json!({
        "routing_key": config.routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "payload": {
            "summary": summary,
            "source": config.source,
            "severity": severity,
            "custom_details": { "alerts": alerts },
        },
    })
}

/// The group's key; of a long one, its end with what tells it from others that end so.
fn dedup_key(group_key: &str) -> String {
    let chars: Vec<char> = group_key.chars().collect();
    if chars.len() <= MAX_DEDUP_CHARS {
        return group_key.to_owned();
    }
    let hash = group_key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mark = format!("{hash:016x}:");
    let end = &chars[chars.len() - (MAX_DEDUP_CHARS - mark.len())..];
    mark + &end.iter().collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    fn config() -> Config {
        Config { routing_key: "key".into(), url: events(), source: source() }
    }

    #[test]
    fn a_group_is_triggered_and_resolved_under_one_key() {
        let mut notification = sample();
        let trigger = event(&notification, &config());
        assert_eq!(trigger["event_action"], "trigger");
        assert_eq!(trigger["payload"]["severity"], "critical");
        assert_eq!(trigger["payload"]["custom_details"]["alerts"].as_array().unwrap().len(), 2);
        notification.alerts.remove(0);
        let resolve = event(&notification, &config());
        assert_eq!(resolve["event_action"], "resolve");
        assert_eq!(resolve["dedup_key"], trigger["dedup_key"]);
    }

    #[test]
    fn a_long_key_stays_one_of_its_own() {
        let (a, b) = (format!("a{}", "x".repeat(300)), format!("b{}", "x".repeat(300)));
        assert_eq!(dedup_key(&a).chars().count(), MAX_DEDUP_CHARS);
        assert_ne!(dedup_key(&a), dedup_key(&b));
        assert_eq!(dedup_key("short"), "short");
    }
}
