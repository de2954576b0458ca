//! The form of what the process says of itself. In JSON it is that of access-log lines, with the same keys.
//!
//! What is logged may come from outside: in neither form can it end a line, or colour one.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use super::record::{Format, Head, Kind, Severity};

/// Further facts of an event are left out.
const MAX_FIELDS: usize = 64;

/// Facts that stand beside the message rather than under `fields`, as in an access-log line.
const TOP: [&str; 4] = ["service", "request_id", "trace_id", "user_id"];

/// An event, taken apart.
pub(super) struct Said<'a> {
    moment: Timestamp,
    metadata: &'a Metadata<'a>,
    message: String,
    facts: Vec<Fact>,
}

struct Fact {
    name: &'static str,
    value: Value,
    /// Text shows it in quotation marks.
    quoted: bool,
}

impl<'a> Said<'a> {
    pub(super) fn new(event: &Event<'_>, metadata: &'a Metadata<'a>, moment: Timestamp) -> Self {
        let mut said = Self { moment, metadata, message: String::new(), facts: Vec::new() };
        event.record(&mut said);
        said
    }

    pub(super) fn head(&self) -> Head {
        Head {
            kind: Kind::Event,
            severity: Severity::of_event(*self.metadata.level()),
            unix_ms: u64::try_from(self.moment.as_millisecond()).unwrap_or(0),
        }
    }

    /// With its newline; no other is in it.
    pub(super) fn line(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Json => self.json(),
            Format::Text => self.text(false).into_bytes(),
            Format::Coloured => self.text(true).into_bytes(),
        }
    }

    fn json(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        self.serialize(&mut serde_json::Serializer::new(&mut line))
            .expect("texts and numbers are JSON, and a Vec takes every write");
        line.push(b'\n');
        line
    }

    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let top = |name: &str| self.facts.iter().find(|fact| fact.name == name);
        let level = self.metadata.level().as_str().to_ascii_lowercase();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", &format_args!("{:.3}", self.moment))?;
        map.serialize_entry("level", &level)?;
        map.serialize_entry("message", &self.message)?;
        for name in TOP {
            match top(name) {
                Some(fact) => map.serialize_entry(name, &fact.value)?,
                None => map.serialize_entry(name, "")?,
            }
        }
        map.serialize_entry("target", self.metadata.target())?;
        map.serialize_entry("fields", &Fields(&self.facts))?;
        map.end()
    }

    fn text(&self, coloured: bool) -> String {
        let (dim, plain) = if coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let level = self.metadata.level();
        let colour = if coloured { colour_of(Severity::of_event(*level)) } else { "" };
        let (moment, target) = (self.moment, self.metadata.target());
        let mut text =
            format!("{dim}{moment:.6}{plain} {colour}{level:>5}{plain} {dim}{target}:{plain} ");
        push_plain(&mut text, &self.message);
        for Fact { name, value, quoted } in &self.facts {
            let _ = write!(text, " {dim}{name}={plain}"); // a String takes every write
            match value {
                Value::String(value) if *quoted => push_plain(&mut text, &format!("{value:?}")),
                Value::String(value) => push_plain(&mut text, value),
                other => _ = write!(text, "{other}"),
            }
        }
        text.push('\n');
        text
    }

    fn add(&mut self, field: &Field, value: Value, quoted: bool) {
        let name = field.name();
        match value {
            Value::String(message) if name == "message" => self.message = message,
            _ if self.facts.len() >= MAX_FIELDS || name.starts_with("log.") => {}
            value => self.facts.push(Fact { name, value, quoted }),
        }
    }
}

struct Fields<'a>(&'a [Fact]);

impl serde::Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let below = self.0.iter().filter(|fact| !TOP.contains(&fact.name));
        serializer.collect_map(below.map(|fact| (fact.name, &fact.value)))
    }
}

/// Appends a text, with what controls a terminal or ends a line written out.
pub(in crate::telemetry) fn push_plain(line: &mut String, text: &str) {
    for part in text.split_inclusive(char::is_control) {
        match part.char_indices().next_back() {
            Some((at, last)) if last.is_control() => {
                line.push_str(&part[..at]);
                line.extend(last.escape_default());
            }
            _ => line.push_str(part),
        }
    }
}

/// Of a severity's word, on a terminal.
pub(in crate::telemetry) fn colour_of(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "\x1b[31m",
        Severity::Warn => "\x1b[33m",
        Severity::Info => "\x1b[32m",
        Severity::Debug => "\x1b[34m",
    }
}

impl Visit for Said<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into(), false);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into(), true);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into(), false);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into(), false);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into(), false);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into(), false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controls_a_terminal_is_written_out() {
        let mut line = "> ".to_owned();
        push_plain(&mut line, "a\nb\x1b[31mc\u{85}é");
        assert_eq!(line, "> a\\nb\\u{1b}[31mc\\u{85}é");
    }
}
