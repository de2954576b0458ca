//! slack: posts alerts to a Slack channel, by an incoming webhook.
//!
//! ```toml
//! [alerts.channels.team]
//! plugin = "slack"
//! config = { url = "${SLACK_WEBHOOK}" }
//! allow = ["hooks.slack.com:443"]
//! ```

use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered};
use proconsul_plugin::http;
use serde_json::{Value, json};

/// Alerts that a message tells of; of more, only their number.
const MOST_LINES: usize = 20;

/// Slack cuts what is longer.
const MAX_TEXT_CHARS: usize = 3000;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The incoming webhook's URL, which is a secret.
    url: String,
}

struct Slack(Config);

impl AlertChannel for Slack {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !config.url.starts_with("http://") && !config.url.starts_with("https://") {
            // The URL is a secret: it is not shown.
            return Err(String::from("`url` must begin with http:// or https://"));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let request = http::Request::new("POST", &self.0.url)
            .header("content-type", "application/json")
            .body(message(notification).to_string());
        delivered(request.send()).map(|_| String::new())
    }
}

proconsul_plugin::export_alert_channel!(Slack);

/// The message by itself.
fn message(notification: &Notification) -> Value {
    let headline = notification.headline();
    let text: String =
        notification.lines(MOST_LINES).join("\n").chars().take(MAX_TEXT_CHARS).collect();
    let color = match (notification.is_resolved(), notification.severity()) {
        (true, _) => "good",
        (false, "warning" | "info") => "warning",
        (false, _) => "danger",
    };
    json!({
        "text": escaped(&headline),
        "attachments": [{ "color": color, "fallback": escaped(&headline), "text": escaped(&text) }],
    })
}

/// The three characters that mean something to Slack: an alert's text must make no link or mention.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    #[test]
    fn colour_and_text_say_what_it_is() {
        let mut notification = sample();
        assert_eq!(message(&notification)["attachments"][0]["color"], "danger");
        notification.alerts.remove(0);
        assert_eq!(message(&notification)["attachments"][0]["color"], "good");
        assert_eq!(message(&notification)["text"], "[RESOLVED] HighErrorRate");
    }

    #[test]
    fn nobody_is_called_by_an_alerts_text() {
        let mut notification = sample();
        notification.alerts[0].annotations = vec![("summary".into(), "<!channel>".into())];
        let text = message(&notification).to_string();
        assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!"), "{text}");
    }
}
