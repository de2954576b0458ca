//! redis-ping: asks a Redis server (or what speaks like one) whether it serves.
//!
//! ```toml
//! [checks.cache]
//! plugin = "redis-ping"
//! config = { password = "${REDIS_PASSWORD}" }     # and `username`, where there is one
//! ```
//!
//! `+PONG` passes. A server that reads its data from disk (`-LOADING`), or a replica that lost its
//! primary (`-MASTERDOWN`), is a warning: it lives, and comes back by itself. Everything else is critical.

use proconsul_plugin::health_check::{Endpoint, HealthCheck, NetworkError, Verdict};
use proconsul_plugin::tcp;

/// An answer is one line; a longer one is none.
const MAX_ANSWER_BYTES: usize = 1024;

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    username: Option<String>,
    password: Option<String>,
}

struct RedisPing {
    /// What is sent: `AUTH` where there is a password, and `PING`.
    question: Vec<u8>,
    /// How many lines come back.
    answers: usize,
}

impl HealthCheck for RedisPing {
    type Config = Config;

    fn new(Config { username, password }: Config) -> Result<Self, String> {
        let auth: Vec<&str> = match (&username, &password) {
            (None, None) => vec![],
            (None, Some(password)) => vec!["AUTH", password],
            (Some(username), Some(password)) => vec!["AUTH", username, password],
            (Some(_), None) => return Err(String::from("`username` needs a `password`")),
        };
        let ping = vec!["PING"];
        let commands: Vec<_> = [auth, ping].into_iter().filter(|words| !words.is_empty()).collect();
        let question = commands.iter().flat_map(|words| command(words)).collect();
        Ok(Self { question, answers: commands.len() })
    }

    fn check(&mut self, endpoint: &Endpoint) -> Verdict {
        match self.ask(endpoint) {
            Ok(answer) => judge(&answer),
            Err(error) => Verdict::Critical(error.to_string()),
        }
    }
}

proconsul_plugin::export_health_check!(RedisPing);

impl RedisPing {
    fn ask(&self, endpoint: &Endpoint) -> Result<String, NetworkError> {
        let mut stream = tcp::connect(&endpoint.address)?;
        stream.write_all(&self.question)?;
        let lines = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == b'\n').count();
        let answer = stream.read_until(MAX_ANSWER_BYTES, |bytes| lines(bytes) == self.answers)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// A command as Redis reads it: how many words, then each with its length.
fn command(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    text.into_bytes()
}

/// The decision by itself: the first line that is not `+OK` (to `AUTH`) counts.
fn judge(answer: &str) -> Verdict {
    let mut lines = answer.lines().skip_while(|line| *line == "+OK");
    match lines.next() {
        Some("+PONG") => Verdict::Passing,
        Some(error) if error.starts_with("-LOADING") || error.starts_with("-MASTERDOWN") => {
            Verdict::Warning(error[1..].to_owned())
        }
        Some(error) if error.starts_with('-') => Verdict::Critical(error[1..].to_owned()),
        Some(other) => Verdict::Critical(format!("expected +PONG, got {other:?}")),
        None => Verdict::Critical(String::from("the connection was closed without an answer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_meaning() {
        let verdict = |answer| format!("{:?}", judge(answer));
        assert!(verdict("+PONG\r\n").contains("Passing"));
        assert!(verdict("+OK\r\n+PONG\r\n").contains("Passing"));
        assert!(verdict("-LOADING Redis is loading\r\n").contains("Warning"));
        let refused = verdict("-WRONGPASS invalid username-password pair\r\n-NOAUTH\r\n");
        assert!(refused.contains("Critical") && refused.contains("WRONGPASS"), "{refused}");
        assert!(verdict("HTTP/1.1 400 Bad Request\r\n").contains("expected +PONG"));
        assert!(verdict("").contains("without an answer"));
    }

    #[test]
    fn words_are_counted_in_bytes() {
        assert_eq!(command(&["AUTH", "é"]), "*2\r\n$4\r\nAUTH\r\n$2\r\né\r\n".as_bytes());
    }
}
