//! webhook: posts alerts in the form of Alertmanager's own webhook (version 4), signed if there is a secret.
//!
//! ```toml
//! [alerts.channels.on-call]
//! plugin = "webhook"
//! config = { url = "https://hooks.example.com/alerts", secret = "${HOOK_SECRET}" }
//! allow = ["hooks.example.com:443"]
//! ```
//!
//! With `secret`, two headers go along: `X-Proconsul-Timestamp`, the seconds since 1970, and
//! `X-Proconsul-Signature`, `sha256=` and the HMAC-SHA256 in hex of the timestamp, a dot and the body. Whoever
//! checks both refuses what is forged and what is old. `X-Proconsul-Sequence` stays the same when a
//! notification is sent again.

use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, Mac};
use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered};
use proconsul_plugin::{http, time};
use serde_json::{Map, Value, json};
use sha2::Sha256;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Where to post.
    url: String,
    /// What the signature is made with; none = no signature.
    secret: Option<String>,
    /// Sent as `Authorization: Bearer`.
    bearer: Option<String>,
    /// Where people see more: `externalURL` in the form.
    #[serde(default)]
    external_url: String,
}

struct Webhook(Config);

impl AlertChannel for Webhook {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let url = &config.url;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("`url` is {url:?}; it must begin with http:// or https://"));
        }
        if config.secret.as_deref() == Some("") {
            return Err(String::from("`secret` is empty; leave it out to sign nothing"));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let Config { url, secret, bearer, external_url } = &self.0;
        let body = form(notification, external_url).to_string();
        let mut request = http::Request::new("POST", url)
            .header("content-type", "application/json")
            .header("x-proconsul-sequence", &notification.sequence.to_string());
        if let Some(bearer) = bearer {
            request = request.header("authorization", &format!("Bearer {bearer}"));
        }
        if let Some(secret) = secret {
            let timestamp = (time::unix_ms() / 1000).to_string();
            let signature = format!("sha256={}", sign(secret, &timestamp, &body));
            request = request
                .header("x-proconsul-timestamp", &timestamp)
                .header("x-proconsul-signature", &signature);
        }
        delivered(request.body(body).send()).map(|_| String::new())
    }
}

proconsul_plugin::export_alert_channel!(Webhook);

fn sign(secret: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(format!("{timestamp}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body by itself. <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>
fn form(notification: &Notification, external_url: &str) -> Value {
    let status = |resolved| if resolved { "resolved" } else { "firing" };
    let alerts = notification.alerts.iter().map(|alert| {
        json!({
            "status": status(alert.is_resolved()),
            "labels": object(&alert.labels),
            "annotations": object(&alert.annotations),
            "startsAt": date(alert.started_ms),
            // Go's zero time, as Alertmanager says that there is no end.
            "endsAt": alert.ended_ms.map_or("0001-01-01T00:00:00Z".into(), date),
            "generatorURL": "",
            "fingerprint": fingerprint(&alert.labels),
        })
    });
    json!({
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": notification.truncated,
        "status": status(notification.is_resolved()),
        "receiver": notification.channel,
        "groupLabels": object(&notification.group_labels),
        "commonLabels": object(&notification.common_labels),
        "commonAnnotations": object(&notification.common_annotations),
        "externalURL": external_url,
        "alerts": alerts.collect::<Vec<_>>(),
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

/// 64-bit FNV-1a over the sorted labels, as Prometheus's own fingerprints are.
fn fingerprint(labels: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = labels.iter().collect();
    sorted.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for (name, value) in sorted {
        name.bytes().for_each(&mut add);
        add(255);
        value.bytes().for_each(&mut add);
        add(255);
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    #[test]
    fn the_form_is_alertmanagers() {
        let form = form(&sample(), "https://proxy.example.com");
        assert_eq!(form["version"], "4");
        assert_eq!(form["status"], "firing");
        assert_eq!(form["receiver"], "people");
        assert_eq!(form["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
        assert_eq!(form["alerts"][0]["startsAt"], "2023-11-14T22:13:20.123Z");
        assert_eq!(form["alerts"][1]["status"], "resolved");
        assert_eq!(form["alerts"][1]["endsAt"], "2023-11-14T22:14:20.000Z");
        assert_eq!(form["commonLabels"]["severity"], "critical");
    }

    #[test]
    fn a_signature_is_what_openssl_makes() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac geheim
        let expected = "75e8aa01e776401a";
        assert_eq!(&sign("geheim", "1700000000", "{}")[..16], expected);
    }
}
