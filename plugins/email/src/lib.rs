//! email: mails alerts over SMTP, by way of a relay.
//!
//! ```toml
//! [alerts.channels.mail]
//! plugin = "email"
//! config = { relay = "127.0.0.1:25", from = "proconsul@example.com", to = ["ops@example.com"] }
//! allow = ["127.0.0.1:25"]
//! ```
//!
//! It speaks plain SMTP, without TLS (neither STARTTLS nor on connecting) and without a password: a component
//! has no TLS but for HTTP, and a password without TLS is one for everybody. Point it at a relay on this machine
//! or a network that is trusted, which carries the mail on as it should.
//!
//! A recipient that the relay refuses for good keeps the mail from none of the others.

use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification};
use proconsul_plugin::{log, tcp, time};

/// Alerts that a mail tells of; of more, only their number.
const MOST_LINES: usize = 200;

/// Of one answer of the relay, over all its lines.
const MAX_ANSWER_BYTES: usize = 16 << 10;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The relay's address, `192.0.2.1:25`.
    relay: String,
    from: String,
    to: Vec<String>,
    // What people expect to find, and are told of.
    starttls: Option<serde::de::IgnoredAny>,
    tls: Option<serde::de::IgnoredAny>,
    username: Option<serde::de::IgnoredAny>,
    password: Option<serde::de::IgnoredAny>,
}

struct Email(Config);

impl AlertChannel for Email {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        config.refuse_what_there_is_not()?;
        if config.relay.parse::<std::net::SocketAddr>().is_err() {
            return Err(format!("`relay` is {:?}; it takes an address and a port", config.relay));
        }
        if config.to.is_empty() {
            return Err(String::from("`to` is empty; somebody must get the mail"));
        }
        for address in config.to.iter().chain([&config.from]) {
            let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | ',');
            if !address.is_ascii() || !address.contains('@') || address.contains(odd) {
                return Err(format!("{address:?} is no mail address"));
            }
        }
        Ok(Self(config))
    }

    fn send(&mut self, notification: &Notification) -> Result<String, Error> {
        let Config { relay, from, to, .. } = &self.0;
        let mut stream = tcp::connect(relay)?;
        expect(&mut stream, "", 220)?;
        expect(&mut stream, "EHLO proconsul\r\n", 250)?;
        expect(&mut stream, &format!("MAIL FROM:<{from}>\r\n"), 250)?;
        tell_recipients(&mut stream, to)?;
        expect(&mut stream, "DATA\r\n", 354)?;
        let mail = mail(notification, &self.0, time::unix_ms());
        let receipt = expect(&mut stream, &format!("{mail}\r\n.\r\n"), 250)?;
        // It has the mail: whether it hears the farewell does not matter.
        let _ = stream.write_all(b"QUIT\r\n");
        Ok(receipt)
    }
}

proconsul_plugin::export_alert_channel!(Email);

impl Config {
    fn refuse_what_there_is_not(&self) -> Result<(), String> {
        let Self { starttls, tls, username, password, .. } = self;
        let named =
            [("starttls", starttls), ("tls", tls), ("username", username), ("password", password)];
        match named.iter().find(|(_, written)| written.is_some()) {
            Some((key, _)) => Err(format!(
                "`{key}` is not to be had: a component speaks plain SMTP, without TLS and passwords; let \
                 `relay` be a relay on this machine, which carries the mail on with both"
            )),
            None => Ok(()),
        }
    }
}

/// Names the recipients. Some of them may be refused for good, which goes to the log; not all.
fn tell_recipients(stream: &mut tcp::Stream, to: &[String]) -> Result<(), Error> {
    let mut refusals = Vec::new();
    for address in to {
        match expect(stream, &format!("RCPT TO:<{address}>\r\n"), 250) {
            Ok(_) => {}
            Err(Error::Permanent(reason)) => refusals.push(format!("{address}: {reason}")),
            Err(passing) => return Err(passing),
        }
    }
    if refusals.len() == to.len() {
        return Err(Error::Permanent(refusals.join("; ")));
    }
    for refusal in refusals {
        log::warn!("the mail goes without {refusal}");
    }
    Ok(())
}

/// Says something, and reads the answer, which must have this code.
fn expect(stream: &mut tcp::Stream, words: &str, code: u16) -> Result<String, Error> {
    stream.write_all(words.as_bytes())?;
    let answer = stream.read_until(MAX_ANSWER_BYTES, is_whole)?;
    judge(&String::from_utf8_lossy(&answer), code)
}

/// An answer ends with a line that has a space after its code.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(lines) = bytes.strip_suffix(b"\n") else { return false };
    let last = lines.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    last.get(3) != Some(&b'-')
}

/// 4xx may pass, 5xx will not; so says RFC 5321.
fn judge(answer: &str, expected: u16) -> Result<String, Error> {
    let code: u16 = answer.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
    // 251: not here, and it will be forwarded.
    if code == expected || (expected == 250 && code == 251) {
        return Ok(answer.get(4..).unwrap_or_default().trim().to_owned());
    }
    let reason = format!("the relay said {:?}, expected {expected}", answer.trim());
    match code {
        500..=599 => Err(Error::Permanent(reason)),
        _ => Err(Error::passing(reason)),
    }
}

/// The mail by itself. The text is in base64: no line of it can be taken for SMTP's own.
fn mail(notification: &Notification, config: &Config, now_ms: u64) -> String {
    let headline = notification.headline();
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now_ms));
    let text = [vec![headline.clone(), String::new()], notification.lines(MOST_LINES)].concat();
    let text = STANDARD.encode(text.join("\r\n"));
    let lines: Vec<&str> =
        text.as_bytes().chunks(76).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    // Several words of 45 bytes: an encoded word has at most 75 characters.
    let subject: Vec<_> = pieces(&headline, 45)
        .map(|piece| format!("=?utf-8?B?{}?=", STANDARD.encode(piece)))
        .collect();
    [
        format!("From: <{}>", config.from),
        format!("To: <{}>", config.to.join(">, <")),
        format!("Date: {}", date.replace("GMT", "+0000")),
        format!("Message-ID: <{}.{}@proconsul>", notification.made_ms, notification.sequence),
        format!("Subject: {}", subject.join("\r\n ")),
        String::from("MIME-Version: 1.0"),
        String::from("Content-Type: text/plain; charset=utf-8"),
        String::from("Content-Transfer-Encoding: base64"),
        String::new(),
        lines.join("\r\n"),
    ]
    .join("\r\n")
}

/// A text in pieces of so many bytes at most, cut between characters.
fn pieces(text: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = (0..=most.min(rest.len())).rev().find(|&end| rest.is_char_boundary(end))?;
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proconsul_plugin::alert_channel::sample;

    fn config() -> Config {
        Config {
            relay: "127.0.0.1:25".into(),
            from: "a@b".into(),
            to: vec!["c@d".into()],
            starttls: None,
            tls: None,
            username: None,
            password: None,
        }
    }

    #[test]
    fn no_alert_can_write_a_header_or_end_the_mail() {
        let mut notification = sample();
        notification.common_labels = vec![("alertname".into(), "x\r\nBcc: all@d\r\n.\r\n".into())];
        let mail = mail(&notification, &config(), 0);
        assert!(!mail.contains("Bcc") && !mail.contains("\r\n.\r\n"), "{mail}");
        assert!(mail.contains("Date: Thu, 01 Jan 1970 00:00:00 +0000"), "{mail}");
    }

    #[test]
    fn who_asks_for_tls_is_told_that_there_is_none() {
        let asks = Config { starttls: Some(serde::de::IgnoredAny), ..config() };
        let Err(words) = Email::new(asks) else { panic!("it was taken") };
        assert!(words.contains("`starttls`") && words.contains("without TLS"), "{words}");
    }

    #[test]
    fn an_answers_code_says_whether_to_try_again() {
        assert_eq!(
            judge("250 2.0.0 Ok: queued as 7\r\n", 250).ok().unwrap(),
            "2.0.0 Ok: queued as 7"
        );
        assert!(matches!(judge("451 later\r\n", 250), Err(Error::Retryable(_))));
        assert!(matches!(judge("550 nobody\r\n", 250), Err(Error::Permanent(_))));
        assert!(judge("251 will forward\r\n", 250).is_ok());
        for garbage in ["2", "ä50 x\r\n", "\u{fffd}\u{fffd}\r\n", "HTTP/1.1 400\r\n"] {
            assert!(matches!(judge(garbage, 250), Err(Error::Retryable(_))), "{garbage:?}");
        }
        assert!(matches!(judge("", 250), Err(Error::Retryable(_))));
        assert!(is_whole(b"250-a\r\n250 b\r\n") && !is_whole(b"250-a\r\n"));
    }
}
