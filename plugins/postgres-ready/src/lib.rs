//! postgres-ready: asks a PostgreSQL server whether it takes connections, as `pg_isready` does.
//!
//! ```toml
//! [checks.orders-db]
//! plugin = "postgres-ready"
//! config = { user = "health", database = "orders" }   # need not exist: nobody logs in
//! ```
//!
//! A server that asks who we are takes connections, and so does one that turns us away by name. One that
//! starts up, shuts down or recovers (SQLSTATE 57P03) is critical; one that has no connection left
//! (53300) is a warning.

use proconsul_plugin::health_check::{Endpoint, HealthCheck, NetworkError, Verdict};
use proconsul_plugin::tcp;

/// Protocol 3.0.
const PROTOCOL: u32 = 3 << 16;

/// As much of an error is read.
const MAX_MESSAGE_BYTES: usize = 4096;

/// A message begins with its type and, in four bytes, its length without the type.
const HEADER_BYTES: usize = 5;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    user: String,
    database: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { user: String::from("proconsul"), database: String::from("postgres") }
    }
}

struct PostgresReady {
    startup: Vec<u8>,
}

impl HealthCheck for PostgresReady {
    type Config = Config;

    fn new(Config { user, database }: Config) -> Result<Self, String> {
        if user.is_empty() || user.contains('\0') || database.contains('\0') {
            return Err(String::from("`user` must not be empty, and neither may have a zero byte"));
        }
        Ok(Self { startup: startup(&user, &database) })
    }

    fn check(&mut self, endpoint: &Endpoint) -> Verdict {
        match self.ask(endpoint) {
            Ok(answer) => judge(&answer),
            Err(error) => Verdict::Critical(error.to_string()),
        }
    }
}

proconsul_plugin::export_health_check!(PostgresReady);

impl PostgresReady {
    fn ask(&self, endpoint: &Endpoint) -> Result<Vec<u8>, NetworkError> {
        let mut stream = tcp::connect(&endpoint.address)?;
        stream.write_all(&self.startup)?;
        stream.read_until(MAX_MESSAGE_BYTES, is_whole)
    }
}

/// Length, protocol, and pairs of words; an empty one ends them.
fn startup(user: &str, database: &str) -> Vec<u8> {
    let words = format!("user\0{user}\0database\0{database}\0\0");
    let length = 8 + words.len() as u32;
    [&length.to_be_bytes(), &PROTOCOL.to_be_bytes(), words.as_bytes()].concat()
}

/// Whether the first message is all there.
fn is_whole(bytes: &[u8]) -> bool {
    match bytes {
        [_, a, b, c, d, rest @ ..] => {
            rest.len() + 4 >= u32::from_be_bytes([*a, *b, *c, *d]) as usize
        }
        _ => false,
    }
}

/// The decision by itself, by the type of the first message.
fn judge(answer: &[u8]) -> Verdict {
    match answer.first() {
        // Authentication, or negotiation of a protocol version: it talks to us.
        Some(b'R' | b'v') if is_whole(answer) => Verdict::Passing,
        Some(b'E') if is_whole(answer) => judge_error(&answer[HEADER_BYTES..]),
        Some(_) => Verdict::Critical(String::from("it does not speak as PostgreSQL does")),
        None => Verdict::Critical(String::from("the connection was closed without an answer")),
    }
}

/// An error's fields: a letter and a text each, ended by a zero byte.
fn judge_error(fields: &[u8]) -> Verdict {
    let field = |letter: u8| {
        let mut fields = fields.split(|&byte| byte == 0);
        let found = fields.find(|field| field.first() == Some(&letter));
        found.map(|field| String::from_utf8_lossy(&field[1..]).into_owned()).unwrap_or_default()
    };
    match field(b'C').as_str() {
        "57P03" => Verdict::Critical(field(b'M')),
        "53300" => Verdict::Warning(field(b'M')),
        _ => Verdict::Passing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
    }

    fn error(code: &str, text: &str) -> String {
        let fields = format!("SFATAL\0C{code}\0M{text}\0\0");
        format!("{:?}", judge(&message(b'E', fields.as_bytes())))
    }

    #[test]
    fn the_first_message_decides() {
        assert!(matches!(judge(&message(b'R', &[0, 0, 0, 10])), Verdict::Passing));
        let starting = error("57P03", "the database system is starting up");
        assert!(starting.contains("Critical") && starting.contains("starting up"), "{starting}");
        assert!(error("53300", "sorry, too many clients already").contains("Warning"));
        assert!(error("28000", "no pg_hba.conf entry").contains("Passing"));
        assert!(matches!(judge(b"HTTP/1.1 400"), Verdict::Critical(_)));
        assert!(matches!(judge(b""), Verdict::Critical(_)));
    }

    #[test]
    fn a_message_is_whole_when_its_length_says_so() {
        let whole = message(b'R', &[0; 4]);
        assert!(is_whole(&whole));
        assert!((0..whole.len()).all(|length| !is_whole(&whole[..length])));
    }

    #[test]
    fn the_startup_message_counts_itself() {
        let startup = startup("a", "b");
        assert_eq!(startup.len(), u32::from_be_bytes(startup[..4].try_into().unwrap()) as usize);
        assert!(startup.ends_with(b"user\0a\0database\0b\0\0"));
    }
}
