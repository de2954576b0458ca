//! {{name}}: an alert channel that posts one line of text.

use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered};
use proconsul_plugin::http;

/// What may stand in the channel's `config` table.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where to post; its host must be in the channel's `allow`.
    url: String,
}

struct Posts(Config);

impl AlertChannel for Posts {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !config.url.starts_with("http") {
            return Err(format!("`url` is {:?}; it must begin with http:// or https://", config.url));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let request = http::Request::new("POST", &self.0.url).body(line(notification));
        delivered(request.send()).map(|_| String::new())
    }
}

proconsul_plugin::export_alert_channel!(Posts);

/// The text by itself, so that it can be tested without a network.
fn line(notification: &Notification) -> String {
    notification.headline()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    #[test]
    fn a_line_says_what_fires() {
        assert!(line(&sample()).contains("FIRING"));
    }
}
