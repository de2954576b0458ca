//! http-json: asks the instance for a JSON document, and judges one value of it.
//!
//! ```toml
//! [checks.orders-ready]
//! plugin = "http-json"
//! config = { path = "/health", pointer = "/status", passing = { equals = "up" }, warning = { equals = "degraded" } }
//! ```
//!
//! `pointer` is a JSON pointer (RFC 6901); empty, it means the whole document. The instance passes when
//! the value there meets `passing`, is a warning when it meets `warning`, and critical otherwise. What may
//! be asked of a value: `equals`, `less` and `greater` (of a number), `exists`. Of several, all must hold.
//! A response of another status than 2xx is critical, unless `any_status = true`.

use proconsul_plugin::health_check::{Endpoint, HealthCheck, Verdict};
use proconsul_plugin::http;
use serde_json::Value;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// What is asked for.
    path: String,
    /// Where in the document the value is.
    pointer: String,
    /// By TLS.
    tls: bool,
    /// Judge the document whatever the status.
    any_status: bool,
    passing: Expectation,
    /// Where the value is bad, and not as bad as that.
    warning: Option<Expectation>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: String::from("/health"),
            pointer: String::new(),
            tls: false,
            any_status: false,
            passing: Expectation { exists: Some(true), ..Expectation::default() },
            warning: None,
        }
    }
}

/// What a value must be. All that is given must hold.
#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Expectation {
    equals: Option<Value>,
    less: Option<f64>,
    greater: Option<f64>,
    exists: Option<bool>,
}

impl Expectation {
    fn is_met_by(&self, value: Option<&Value>) -> bool {
        let number = value.and_then(Value::as_f64);
        self.equals.as_ref().is_none_or(|wanted| value.is_some_and(|value| is_same(value, wanted)))
            && self.less.is_none_or(|limit| number.is_some_and(|number| number < limit))
            && self.greater.is_none_or(|limit| number.is_some_and(|number| number > limit))
            && self.exists.is_none_or(|wanted| value.is_some() == wanted)
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self { equals: None, less: None, greater: None, exists: None })
    }
}

/// Numbers are the same by their value: 1 and 1.0 are.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

struct HttpJson(Config);

impl HealthCheck for HttpJson {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !config.path.starts_with('/') {
            return Err(format!("`path` is {:?}; it must begin with `/`", config.path));
        }
        if !config.pointer.is_empty() && !config.pointer.starts_with('/') {
            return Err(format!("`pointer` is {:?}; it must begin with `/`", config.pointer));
        }
        if config.passing.is_empty() || config.warning.as_ref().is_some_and(Expectation::is_empty) {
            return Err(String::from(
                "`passing` and `warning` must ask for `equals`, `less`, `greater` or `exists`",
            ));
        }
        Ok(Self(config))
    }

    fn check(&mut self, endpoint: &Endpoint) -> Verdict {
        let url = http::url(endpoint, &self.0.path);
        let url = if self.0.tls { url.replacen("http:", "https:", 1) } else { url };
        match http::Request::get(&url).header("accept", "application/json").send() {
            Ok(response) => self.0.judge(response.status, &response.body),
            Err(error) => Verdict::Critical(format!("{}: {error}", self.0.path)),
        }
    }
}

proconsul_plugin::export_health_check!(HttpJson);

impl Config {
    /// The decision by itself, so that it can be tested without a network.
    fn judge(&self, status: u16, body: &[u8]) -> Verdict {
        if !self.any_status && !(200..300).contains(&status) {
            return Verdict::Critical(format!("status {status}, expected 200-299"));
        }
        let document: Value = match serde_json::from_slice(body) {
            Ok(document) => document,
            Err(_) => return Verdict::Critical(format!("{} gives no JSON", self.path)),
        };
        let value = document.pointer(&self.pointer);
        if self.passing.is_met_by(value) {
            return Verdict::Passing;
        }
        let place = if self.pointer.is_empty() { "the document" } else { &self.pointer };
        let reason = match value {
            Some(value) => format!("{place} is {value}"),
            None => format!("{place} is not there"),
        };
        match &self.warning {
            Some(warning) if warning.is_met_by(value) => Verdict::Warning(reason),
            _ => Verdict::Critical(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(config: &str, body: &str) -> String {
        let config: Config = serde_json::from_str(config).unwrap();
        format!("{:?}", config.judge(200, body.as_bytes()))
    }

    #[test]
    fn a_word_has_three_meanings() {
        let config =
            r#"{"pointer": "/status", "passing": {"equals": "up"}, "warning": {"equals": "slow"}}"#;
        assert!(verdict(config, r#"{"status": "up"}"#).contains("Passing"));
        let warning = verdict(config, r#"{"status": "slow"}"#);
        assert!(warning.contains("Warning") && warning.contains("/status is"), "{warning}");
        assert!(verdict(config, r#"{"status": "down"}"#).contains("Critical"));
        assert!(verdict(config, "{}").contains("/status is not there"));
        assert!(verdict(config, "up").contains("gives no JSON"));
    }

    #[test]
    fn numbers_have_limits() {
        let config = r#"{"pointer": "/queue/0", "passing": {"less": 10, "greater": -1}}"#;
        assert!(verdict(config, r#"{"queue": [9.5]}"#).contains("Passing"));
        assert!(verdict(config, r#"{"queue": [10]}"#).contains("/queue/0 is 10"));
        assert!(verdict(config, r#"{"queue": ["9"]}"#).contains("Critical"), "a text is no number");
        assert!(verdict(r#"{"passing": {"equals": 1}}"#, "1.0").contains("Passing"));
    }

    #[test]
    fn a_bad_status_is_critical_unless_it_is_said_not_to_matter() {
        let config = Config::default();
        assert!(format!("{:?}", config.judge(503, b"{}")).contains("status 503"));
        let config = Config { any_status: true, ..config };
        assert!(matches!(config.judge(503, b"{}"), Verdict::Passing));
    }
}
