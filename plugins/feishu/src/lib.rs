//! feishu: posts alerts to a Feishu (Lark) group, by a custom bot.
//!
//! ```toml
//! [alerts.channels.team]
//! plugin = "feishu"
//! config = { url = "${FEISHU_WEBHOOK}", secret = "${FEISHU_SECRET}" }
//! allow = ["open.feishu.cn:443"]
//! ```
//!
//! `secret` is that of the bot's signature verification. Feishu signs in a way of its own: the key is the
//! timestamp, a line break and the secret, and what is signed is empty.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered, shortened};
use proconsul_plugin::{http, time};
use serde_json::{Value, json};
use sha2::Sha256;

/// Alerts that a message tells of; of more, only their number.
const MOST_LINES: usize = 20;

/// A request has at most 20 KB, of which this is the text; the rest is for the signature.
const MAX_TEXT_BYTES: usize = 19_000;

/// What the bot answers where there were too many messages.
const TOO_MANY: [i64; 2] = [9499, 11232];

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The bot's webhook, which is a secret.
    url: String,
    /// Of the bot's signature verification, where that is on.
    secret: Option<String>,
}

struct Feishu(Config);

impl AlertChannel for Feishu {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !config.url.starts_with("http://") && !config.url.starts_with("https://") {
            return Err(String::from("`url` must begin with http:// or https://"));
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let mut message = message(notification);
        if let Some(secret) = &self.0.secret {
            let timestamp = (time::unix_ms() / 1000).to_string();
            message["sign"] = sign(secret, &timestamp).into();
            message["timestamp"] = timestamp.into();
        }
        let request = http::Request::new("POST", &self.0.url)
            .header("content-type", "application/json")
            .body(message.to_string());
        judge(&delivered(request.send())?.body)
    }
}

proconsul_plugin::export_alert_channel!(Feishu);

fn message(notification: &Notification) -> Value {
    let text = [vec![notification.headline()], notification.lines(MOST_LINES)].concat().join("\n");
    let text = shortened(&text, MAX_TEXT_BYTES);
    json!({ "msg_type": "text", "content": { "text": text } })
}

fn sign(secret: &str, timestamp: &str) -> String {
    let key = format!("{timestamp}\n{secret}");
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key will do");
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The bot says 200 to everything, and what it means in `code`.
fn judge(body: &[u8]) -> Result<String, Error> {
    let answer: Value = serde_json::from_slice(body)
        .map_err(|_| Error::Permanent(String::from("the answer is no JSON: is `url` a bot's?")))?;
    let code = answer["code"].as_i64().or_else(|| answer["StatusCode"].as_i64()).unwrap_or(0);
    let reason = format!("code {code}: {}", answer["msg"].as_str().unwrap_or_default());
    match code {
        0 => Ok(String::new()),
        code if TOO_MANY.contains(&code) => Err(Error::passing(reason)),
        _ => Err(Error::Permanent(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    #[test]
    fn a_signature_is_what_openssl_makes() {
        // printf '' | openssl dgst -sha256 -hmac "$(printf '1599360473\ndemo')" -binary | base64
        assert_eq!(sign("demo", "1599360473"), "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=");
    }

    #[test]
    fn the_answers_code_counts() {
        assert!(judge(br#"{"code":0,"msg":"success"}"#).is_ok());
        assert!(matches!(judge(br#"{"code":19021,"msg":"sign"}"#), Err(Error::Permanent(_))));
        assert!(matches!(judge(br#"{"code":11232,"msg":"many"}"#), Err(Error::Retryable(_))));
        assert!(matches!(judge(b"<html>"), Err(Error::Permanent(_))));
    }

    #[test]
    fn what_is_long_fits() {
        let mut notification = sample();
        notification.alerts[0].annotations = vec![("summary".into(), "警\"\n".repeat(50_000))];
        let body = message(&notification);
        assert!(body.to_string().len() <= 20_000 - 200, "{}", body.to_string().len());
        assert!(body["content"]["text"].as_str().unwrap().ends_with('…'));
    }

    #[test]
    fn the_text_has_all_alerts() {
        let text = message(&sample())["content"]["text"].to_string();
        assert!(text.contains("instance=a") && text.contains("instance=b"), "{text}");
    }
}
