//! dingtalk: posts alerts to a DingTalk group, by a custom robot.
//!
//! ```toml
//! [alerts.channels.team]
//! plugin = "dingtalk"
//! config = { url = "${DINGTALK_WEBHOOK}", secret = "${DINGTALK_SECRET}" }
//! allow = ["oapi.dingtalk.com:443"]
//! ```
//!
//! `secret` is that of the robot's signature (it begins with `SEC`): the milliseconds since 1970, a line
//! break and the secret are signed with the secret, and both go along in the query.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered, shortened};
use proconsul_plugin::{http, time};
use serde_json::{Value, json};
use sha2::Sha256;

/// Alerts that a message tells of; of more, only their number.
const MOST_LINES: usize = 20;

/// A message has at most 20 000 bytes, of which this is the text.
const MAX_TEXT_BYTES: usize = 19_000;

/// What the robot answers where there were too many messages, or it is busy.
const MAY_PASS: [i64; 3] = [-1, 130101, 660026];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The robot's webhook with its `access_token`, which is a secret.
    url: String,
    /// Of the robot's signature, where that is on.
    secret: Option<String>,
}

struct DingTalk(Config);

impl AlertChannel for DingTalk {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !config.url.starts_with("http://") && !config.url.starts_with("https://") {
            return Err(String::from("`url` must begin with http:// or https://"));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let Config { url, secret } = &self.0;
        let url = match secret {
            Some(secret) => signed(url, secret, &time::unix_ms().to_string()),
            None => url.clone(),
        };
        let request = http::Request::new("POST", &url)
            .header("content-type", "application/json")
            .body(message(notification).to_string());
        judge(&delivered(request.send())?.body)
    }
}

proconsul_plugin::export_alert_channel!(DingTalk);

fn message(notification: &Notification) -> Value {
    let text = [vec![notification.headline()], notification.lines(MOST_LINES)].concat().join("\n");
    let text = shortened(&text, MAX_TEXT_BYTES);
    json!({ "msgtype": "text", "text": { "content": text } })
}

fn signed(url: &str, secret: &str, timestamp: &str) -> String {
    let between = if url.contains('?') { '&' } else { '?' };
    let signature = sign(secret, timestamp);
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!("{url}{between}timestamp={timestamp}&sign={signature}")
}

fn sign(secret: &str, timestamp: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(format!("{timestamp}\n{secret}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The robot says 200 to everything, and what it means in `errcode`.
fn judge(body: &[u8]) -> Result<String, Error> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| {
        Error::Permanent(String::from("the answer is no JSON: is `url` a robot's?"))
    })?;
    let code = answer["errcode"].as_i64().unwrap_or(0);
    let reason = format!("errcode {code}: {}", answer["errmsg"].as_str().unwrap_or_default());
    match code {
        0 => Ok(String::new()),
        code if MAY_PASS.contains(&code) => Err(Error::passing(reason)),
        _ => Err(Error::Permanent(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    #[test]
    fn a_signature_is_what_openssl_makes() {
        // printf '1700000000123\nSECdemo' | openssl dgst -sha256 -hmac SECdemo -binary | base64
        assert_eq!(
            sign("SECdemo", "1700000000123"),
            "NhbevkDbYRW2yKX6TyqwoJP0bHe5xpu5AApi0R446wU="
        );
    }

    #[test]
    fn the_signature_survives_a_query() {
        let url = signed("https://oapi.dingtalk.com/robot/send?access_token=t", "SECdemo", "1");
        assert!(
            url.starts_with("https://oapi.dingtalk.com/robot/send?access_token=t&timestamp=1&")
        );
        let (_, sign) = url.rsplit_once("&sign=").unwrap();
        assert!(!sign.contains(['+', '/', '=']), "{sign}");
    }

    #[test]
    fn the_answers_code_counts() {
        assert!(judge(br#"{"errcode":0,"errmsg":"ok"}"#).is_ok());
        assert!(matches!(
            judge(br#"{"errcode":310000,"errmsg":"sign"}"#),
            Err(Error::Permanent(_))
        ));
        assert!(matches!(
            judge(br#"{"errcode":130101,"errmsg":"fast"}"#),
            Err(Error::Retryable(_))
        ));
    }

    #[test]
    fn what_is_long_fits() {
        let mut notification = sample();
        notification.alerts[0].annotations = vec![("summary".into(), "警\"\n".repeat(50_000))];
        let body = message(&notification);
        assert!(body.to_string().len() <= 20_000 - 200, "{}", body.to_string().len());
        assert!(body["text"]["content"].as_str().unwrap().ends_with('…'));
    }

    #[test]
    fn the_text_has_all_alerts() {
        let text = message(&sample())["text"]["content"].to_string();
        assert!(text.contains("instance=a") && text.contains("instance=b"), "{text}");
    }
}
