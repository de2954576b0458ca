//! alertmanager: tells a Prometheus Alertmanager of alerts, as Prometheus does, for those who already have
//! one that knows whom to tell.
//!
//! ```toml
//! [alerts.channels.alertmanager]
//! plugin = "alertmanager"
//! config = { url = "http://127.0.0.1:9093" }
//! allow = ["127.0.0.1:9093"]
//! ```
//!
//! Alertmanager takes an alert for resolved once its end is past, or when it has heard nothing for long. An
//! alert that fires is sent with an end `hold_seconds` from now: let it be more than `repeat_interval`. Its
//! own `group_wait` comes on top of the one here, which may then be `"0s"`.

use std::time::{Duration, UNIX_EPOCH};

use proconsul_plugin::alert_channel::{Alert, AlertChannel, Error, Notification, delivered};
use proconsul_plugin::{http, time};
use serde_json::{Map, Value, json};

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where Alertmanager is, with its path prefix if it has one.
    url: String,
    /// Sent as `Authorization: Bearer`.
    bearer: Option<String>,
    /// For how long an alert fires there that is not heard of again.
    #[serde(default = "five_hours")]
    hold_seconds: u32,
    /// Where people see more: `generatorURL`.
    #[serde(default)]
    external_url: String,
}

/// An hour more than the default `repeat_interval`.
fn five_hours() -> u32 {
    5 * 60 * 60
}

struct Alertmanager(Config);

impl AlertChannel for Alertmanager {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let url = &config.url;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("`url` is {url:?}; it must begin with http:// or https://"));
        }
        if config.hold_seconds == 0 {
            return Err(String::from("`hold_seconds` is 0; an alert would be over at once"));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let alerts = notification.alerts.iter();
        let alerts: Value = alerts.map(|alert| form(alert, &self.0, time::unix_ms())).collect();
        let url = format!("{}/api/v2/alerts", self.0.url.trim_end_matches('/'));
        let mut request =
            http::Request::new("POST", &url).header("content-type", "application/json");
        if let Some(bearer) = &self.0.bearer {
            request = request.header("authorization", &format!("Bearer {bearer}"));
        }
        delivered(request.body(alerts.to_string()).send()).map(|_| String::new())
    }
}

proconsul_plugin::export_alert_channel!(Alertmanager);

/// One alert as `POST /api/v2/alerts` takes it.
fn form(alert: &Alert, config: &Config, now_ms: u64) -> Value {
    // An end before the beginning is refused.
    let end_ms = match alert.ended_ms {
        Some(ended_ms) => ended_ms.max(alert.started_ms),
        None => now_ms + u64::from(config.hold_seconds) * 1000,
    };
    json!({
        "labels": object(&alert.labels),
        "annotations": object(&alert.annotations),
        "startsAt": date(alert.started_ms),
        "endsAt": date(end_ms),
        "generatorURL": config.external_url,
    })
}

fn object(labels: &[(String, String)]) -> Map<String, Value> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect()
}

/// `2023-11-14T22:13:20.123Z`
fn date(unix_ms: u64) -> String {
    // Years above 9999 have no such form; nothing began there.
    const LAST_MS: u64 = 253_402_300_799_000;
    let moment = UNIX_EPOCH + Duration::from_millis(unix_ms.min(LAST_MS));
    humantime::format_rfc3339_millis(moment).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    fn config() -> Config {
        serde_json::from_str(r#"{ "url": "http://127.0.0.1:9093" }"#).unwrap()
    }

    #[test]
    fn what_fires_is_held_and_what_is_over_has_its_end() {
        let mut alerts = sample().alerts;
        let firing = form(&alerts[0], &config(), 1_700_000_000_000);
        assert_eq!(firing["startsAt"], "2023-11-14T22:13:20.123Z");
        assert_eq!(firing["endsAt"], "2023-11-15T03:13:20.000Z");
        assert_eq!(firing["labels"]["instance"], "a");
        let resolved = form(&alerts[1], &config(), 1_700_000_000_000);
        assert_eq!(resolved["endsAt"], "2023-11-14T22:14:20.000Z");
        alerts[1].ended_ms = Some(0);
        let odd = form(&alerts[1], &config(), 1_700_000_000_000);
        assert_eq!(odd["endsAt"], odd["startsAt"], "an end before the beginning is refused");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let refused = |config: Config| Alertmanager::new(config).err().unwrap();
        let odd = Config { url: "127.0.0.1:9093".into(), ..config() };
        assert!(refused(odd).contains("http://"));
        assert!(refused(Config { hold_seconds: 0, ..config() }).contains("hold_seconds"));
        assert!(Alertmanager::new(config()).is_ok());
    }
}
