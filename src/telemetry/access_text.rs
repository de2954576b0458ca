//! An access-log line for people: what the line for machines says, in the same order.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::access_line::{Entry, Form};
use super::log::{Severity, colour_of, push_plain};
use super::object::{Key, Object, Plain};

/// Appends the line, with its newline. What a client wrote can neither end it nor colour it.
pub fn write(form: &Form, entry: &Entry<'_>, coloured: bool, lines: &mut Vec<u8>) {
    let moment =
        i64::try_from(entry.unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let moment = moment.unwrap_or(Timestamp::UNIX_EPOCH);
    let severity = Severity::of_status(entry.status);
    let (dim, plain) = if coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let colour = if coloured { colour_of(severity) } else { "" };
    let level = severity.as_str().to_ascii_uppercase();
    let text = format!("{dim}{moment:.6}{plain} {colour}{level:>5}{plain} request");
    let mut line = TextLine { text, dim, plain, path: String::new() };
    form.describe_request(entry, &mut line);
    line.text.push('\n');
    lines.extend_from_slice(line.text.as_bytes());
}

/// An object as `key=value`, with the keys of objects within it behind their own.
struct TextLine {
    text: String,
    dim: &'static str,
    plain: &'static str,
    /// The objects that are being filled, each with a dot.
    path: String,
}

impl TextLine {
    fn pair(&mut self, key: Key<'_>, value: fmt::Arguments<'_>) {
        let Self { text, dim, plain, path } = self;
        let _ = write!(text, " {dim}{path}{}={plain}", key.name()); // a String takes every write
        push_plain(text, &value.to_string());
    }
}

impl Object for TextLine {
    fn text(&mut self, key: Key<'_>, value: &str) {
        self.pair(key, format_args!("{value:?}"));
    }

    fn plain(&mut self, key: Key<'_>, value: Plain<'_>) {
        self.text(key, value.as_str());
    }

    fn number(&mut self, key: Key<'_>, value: u64) {
        self.pair(key, format_args!("{value}"));
    }

    fn share(&mut self, key: Key<'_>, value: f64) {
        self.pair(key, format_args!("{value}"));
    }

    fn object(&mut self, key: Key<'_>, fill: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        // What makes a record in JSON's sense says nothing to people.
        if key.name() != "fields" {
            self.path.push_str(key.name());
            self.path.push('.');
        }
        fill(self);
        self.path.truncate(length);
    }
}
