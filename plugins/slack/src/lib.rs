//! slack: posts alerts to a Slack channel, by an incoming webhook.
//!
//! ```toml
//! [alerts.channels.team]
//! plugin = "slack"
//! config = { url = "${SLACK_WEBHOOK}" }
//! allow = ["hooks.slack.com:443"]
//! ```

use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered, shortened};
use proconsul_plugin::http;
use serde_json::{Value, json};

/// Alerts that a message tells of; of more, only their number.
const MOST_LINES: usize = 20;

/// Slack refuses messages of more than 40 000 characters. Escaped, a text may be five times as long.
const MAX_TEXT_BYTES: usize = 6000;
const MAX_HEADLINE_BYTES: usize = 500;

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
    let headline = shortened(&notification.headline(), MAX_HEADLINE_BYTES);
    let text = shortened(&notification.lines(MOST_LINES).join("\n"), MAX_TEXT_BYTES);
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
    fn what_is_long_fits_into_slacks_40_000_characters() {
        let mut notification = sample();
        notification.common_labels = vec![("alertname".into(), "&警".repeat(50_000))];
        notification.alerts[0].annotations = vec![("summary".into(), "<".repeat(100_000))];
        let message = message(&notification);
        let chars = |text: &Value| text.as_str().unwrap().chars().count();
        let attachment = &message["attachments"][0];
        let all = [&message["text"], &attachment["fallback"], &attachment["text"]];
        assert!(all.into_iter().map(chars).sum::<usize>() < 40_000);
        assert!(attachment["text"].as_str().unwrap().ends_with("&lt;…"), "no entity is cut");
    }

    #[test]
    fn nobody_is_called_by_an_alerts_text() {
        let mut notification = sample();
        notification.alerts[0].annotations = vec![("summary".into(), "<!channel>".into())];
        let text = message(&notification).to_string();
        assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!"), "{text}");
    }
}
