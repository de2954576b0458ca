//! What an alert channel implements, and the words that it speaks.
//!
//! A channel is given a notification at a time, and carries it to a receiver over [`http`] or
//! [`tcp`](crate::tcp). It may reach what `allow` in the channel's TOML lists; everything else is
//! refused, and the operator sees the attempt.

use std::time::UNIX_EPOCH;

use serde::de::DeserializeOwned;

pub use crate::bindings::alert_channel::exports::proconsul::alert_channel::channel::{
    Error, Notification,
};
/// The one file that a channel may append lines to: the one that `file` in its TOML names.
pub use crate::bindings::alert_channel::proconsul::alert_channel::journal;
pub use crate::bindings::alert_channel::proconsul::alert_channel::types::{Alert, Retry};
pub use crate::health_check::NetworkError;
use crate::{http, time};

/// An alert channel. Each notification has a value of its own: nothing is kept from one to the next.
pub trait AlertChannel: Sized + 'static {
    /// What may stand in the channel's `config` table in TOML: derive `serde::Deserialize`, with
    /// `#[serde(deny_unknown_fields)]` so that a misspelt key is refused.
    type Config: DeserializeOwned;

    /// Makes the channel, without a network. An error refuses the configuration with this message, so
    /// name the key, what it has and what it may have.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Carries a notification to the receiver. The answer is what the receiver called the message, or
    /// nothing. The channel's `timeout` ends it, waiting included; time that is spent on computing is
    /// the proxy's, and no more than 500 ms of it are given.
    ///
    /// It must not panic because something cannot be reached: before it serves it is tried without a
    /// network.
    fn send(&mut self, notification: &Notification) -> Result<String, Error>;
}

impl Notification {
    /// Whether all of it is over.
    pub fn is_resolved(&self) -> bool {
        self.alerts.iter().all(Alert::is_resolved)
    }

    /// One line about all of it: `[FIRING:2] HighErrorRate`.
    pub fn headline(&self) -> String {
        let firing = self.alerts.iter().filter(|alert| !alert.is_resolved()).count();
        let name = label(&self.common_labels, "alertname")
            .or_else(|| label(&self.group_labels, "alertname"))
            .unwrap_or("several alerts");
        match firing {
            0 => format!("[RESOLVED] {name}"),
            firing => format!("[FIRING:{firing}] {name}"),
        }
    }

    /// Some lines about it, one for each alert, `most` at the most and then how many more there are.
    pub fn lines(&self, most: usize) -> Vec<String> {
        let mut lines: Vec<_> = self.alerts.iter().take(most).map(Alert::line).collect();
        let more = self.alerts.len().saturating_sub(most) + self.truncated as usize;
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines
    }

    /// The worst that its alerts say of themselves, or else `none`.
    pub fn severity(&self) -> &str {
        let of =
            |alert: &'_ Alert| RANKS.iter().position(|rank| alert.label("severity") == Some(rank));
        let firing = self.alerts.iter().filter(|alert| !alert.is_resolved());
        match firing.filter_map(of).min().or_else(|| self.alerts.iter().filter_map(of).min()) {
            Some(rank) => RANKS[rank],
            None => "none",
        }
    }
}

/// Severities, the worst first.
const RANKS: [&str; 4] = ["critical", "error", "warning", "info"];

impl Alert {
    /// Whether it is over.
    pub fn is_resolved(&self) -> bool {
        self.ended_ms.is_some()
    }

    /// One of its labels.
    pub fn label(&self, name: &str) -> Option<&str> {
        label(&self.labels, name)
    }

    /// One of its annotations.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        label(&self.annotations, name)
    }

    /// One line about it: `firing: 12 % of requests fail (service=web, severity=critical)`.
    pub fn line(&self) -> String {
        let state = if self.is_resolved() { "resolved" } else { "firing" };
        let summary = ["summary", "description"].iter().find_map(|name| self.annotation(name));
        let summary = summary.or_else(|| self.label("alertname")).unwrap_or("an alert");
        let labels = self.labels.iter().filter(|(name, _)| name != "alertname");
        let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value}")).collect();
        match labels.is_empty() {
            true => format!("{state}: {summary}"),
            false => format!("{state}: {summary} ({})", labels.join(", ")),
        }
    }
}

fn label<'a>(labels: &'a [(String, String)], name: &str) -> Option<&'a str> {
    labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

impl Error {
    /// An error that may pass.
    pub fn passing(reason: impl Into<String>) -> Self {
        Error::Retryable(Retry { reason: reason.into(), after_ms: None })
    }
}

impl From<NetworkError> for Error {
    /// What is not allowed stays so until the configuration changes; all else may pass.
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Denied | NetworkError::NotAnAddress => {
                Error::Permanent(error.to_string())
            }
            _ => Error::passing(error.to_string()),
        }
    }
}

/// What a response means: a status of 2xx is arrival; 408, 425, 429 and 5xx may pass, after the time in
/// `Retry-After` where there is one; all else will not.
pub fn delivered(response: Result<http::Response, NetworkError>) -> Result<http::Response, Error> {
    let response = response?;
    let status = response.status;
    if (200..300).contains(&status) {
        return Ok(response);
    }
    // The beginning of what the receiver says about it.
    let words: String = String::from_utf8_lossy(&response.body).chars().take(200).collect();
    let reason = format!("status {status} {}", words.trim()).trim_end().to_owned();
    if !matches!(status, 408 | 425 | 429 | 500..) {
        return Err(Error::Permanent(reason));
    }
    let after_ms = response.header("retry-after").and_then(|value| rest_ms(value, time::unix_ms));
    Err(Error::Retryable(Retry { reason, after_ms }))
}

/// How long a `Retry-After` asks for: seconds, or until a date by the clock here.
fn rest_ms(value: &str, now_ms: impl Fn() -> u64) -> Option<u64> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let date_ms = u64::try_from(date.as_millis()).ok()?;
    Some(date_ms.saturating_sub(now_ms()))
}

/// As much of a text as fits into `most` bytes of JSON, its escapes counted. It is cut between
/// characters, and then ends in `…`.
pub fn shortened(text: &str, most: usize) -> String {
    const MARK: char = '…';
    let (mut bytes, mut end) = (0, 0);
    for (at, character) in text.char_indices() {
        if bytes + MARK.len_utf8() <= most {
            end = at; // so much, and the mark, would fit
        }
        bytes += json_bytes(character);
        if bytes > most {
            return text[..end].chars().chain([MARK]).collect();
        }
    }
    text.to_owned()
}

fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

/// A notification to test with: one alert that fires, and one that is over.
pub fn sample() -> Notification {
    let labels = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    let common = labels(&[("alertname", "HighErrorRate"), ("severity", "critical")]);
    let alert = |instance: &str, ended_ms| Alert {
        labels: [common.clone(), labels(&[("instance", instance)])].concat(),
        annotations: labels(&[("summary", "12 % of requests fail")]),
        started_ms: 1_700_000_000_123,
        ended_ms,
    };
    Notification {
        channel: String::from("people"),
        sequence: 7,
        group_key: String::from("{}:{alertname=\"HighErrorRate\"}"),
        group_labels: labels(&[("alertname", "HighErrorRate")]),
        common_labels: common.clone(),
        common_annotations: labels(&[("summary", "12 % of requests fail")]),
        alerts: vec![alert("a", None), alert("b", Some(1_700_000_060_000))],
        truncated: 0,
        made_ms: 1_700_000_070_000,
        timeout_ms: 10_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_counts_what_fires() {
        let mut notification = sample();
        assert_eq!(notification.headline(), "[FIRING:1] HighErrorRate");
        assert_eq!(notification.severity(), "critical");
        notification.alerts.remove(0);
        assert_eq!(notification.headline(), "[RESOLVED] HighErrorRate");
        notification.truncated = 3;
        assert_eq!(notification.lines(1).last().unwrap(), "and 3 more");
        assert_eq!(
            notification.lines(1)[0],
            "resolved: 12 % of requests fail (severity=critical, instance=b)"
        );
    }

    #[test]
    fn a_receiver_may_ask_for_rest_by_a_date() {
        let rest = |value| rest_ms(value, || 784_111_770_000);
        assert_eq!(rest("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7000));
        assert_eq!(rest("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0), "it is over");
        assert_eq!(rest(" 120 "), Some(120_000));
        assert_eq!(rest("18446744073709551615"), Some(u64::MAX));
        for nonsense in ["", "soon", "-1", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(rest(nonsense), None, "{nonsense:?}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters_and_by_its_size_in_json() {
        assert_eq!(shortened("abc", 3), "abc");
        assert_eq!(shortened("abcdef", 5), "ab…");
        assert_eq!(shortened("äöü", 6), "äöü");
        assert_eq!(shortened("äöüß", 6), "ä…");
        assert_eq!(shortened("\n\n\n", 5), "\n…");
        assert_eq!(shortened("", 0), "");
        for text in ["x".repeat(99), "\"警".repeat(40), "\0\u{1f}\u{7f}🚨".repeat(20)] {
            for most in 3..60 {
                let json = serde_json::to_string(&shortened(&text, most)).unwrap();
                assert!(json.len() - 2 <= most, "{json} in {most}");
            }
        }
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let with = |status, headers: &[(&str, &str)]| {
            let headers =
                headers.iter().map(|(n, v)| (n.to_string(), v.as_bytes().to_vec())).collect();
            delivered(Ok(http::Response { status, headers, body: Vec::new() }))
        };
        assert!(with(204, &[]).is_ok());
        for status in [408, 425, 429, 500, 503, 599] {
            assert!(matches!(with(status, &[]), Err(Error::Retryable(_))), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 410] {
            assert!(matches!(with(status, &[]), Err(Error::Permanent(_))), "{status}");
        }
        let Err(Error::Retryable(retry)) = with(429, &[("retry-after", "7")]) else { panic!() };
        assert_eq!(retry.after_ms, Some(7000));
        let refused = delivered(Err(NetworkError::Denied));
        assert!(matches!(refused, Err(Error::Permanent(_))));
        assert!(matches!(delivered(Err(NetworkError::TimedOut)), Err(Error::Retryable(_))));
    }
}
