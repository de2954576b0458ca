//! The shape of a scenario file for health checks.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::super::scenario::line_of;
use crate::config::Time;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The check's `config` table.
    #[serde(default)]
    pub config: toml::Table,
    /// How long each check may take.
    pub timeout: Option<Time>,
    /// The plugin must refuse `config`, with a message that contains this.
    pub refused: Option<String>,
    #[serde(default, rename = "step")]
    pub steps: Vec<Spanned<Step>>,
}

/// One check: a server that behaves as it is told, and what must be said of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// For people, and for the message when it fails.
    #[serde(default)]
    pub about: String,
    pub server: Server,
    pub expect: Expect,
    /// Must be part of the verdict's reason.
    #[serde(default)]
    pub reason: String,
}

/// What the server does with a connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Server {
    /// It says this at once, and then nothing.
    Says(String),
    /// It waits for a question, says this, and closes.
    Answers(String),
    /// It answers a request by HTTP/1.1.
    Http(Http),
    /// It takes the connection and never says anything.
    Silent,
    /// Nobody listens.
    Refuses,
}

/// A response.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Default for Http {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: String::new() }
    }
}

/// What must come of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    Passing,
    Warning,
    Critical,
}

impl Expect {
    pub fn as_str(self) -> &'static str {
        match self {
            Expect::Passing => "passing",
            Expect::Warning => "warning",
            Expect::Critical => "critical",
        }
    }
}

impl Scenario {
    /// Reads a file's text; the error names the line.
    pub fn read(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (line_of(text, at), error.message().to_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_word_or_a_table() {
        let text = "[[step]]\nserver = 'silent'\nexpect = 'critical'\n\
                    [[step]]\nserver = { http = { status = 503 } }\nexpect = 'critical'\n";
        let scenario = Scenario::read(text).unwrap();
        assert!(matches!(scenario.steps[0].as_ref().server, Server::Silent));
        let Server::Http(http) = &scenario.steps[1].as_ref().server else { panic!() };
        assert_eq!(http.status, 503);
    }

    #[test]
    fn mistakes_name_their_line() {
        let text = "[[step]]\nserver = 'silent'\nexpect = 'perfect'\n";
        let (line, message) = Scenario::read(text).expect_err("a mistake");
        assert_eq!(line, 3, "{message}");
        assert!(message.contains("perfect"), "{message}");
    }
}
