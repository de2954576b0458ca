//! An access-log line for people: what the line for machines says, in the same order.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use jiff::Timestamp;

use super::access_line::{Entry, FieldValue, Form};
use super::log::{Severity, colour_of, push_plain};

/// The line, with its newline. What a client wrote can neither end it nor colour it.
pub fn line(form: &Form, entry: &Entry<'_>, coloured: bool) -> Vec<u8> {
    let moment =
        i64::try_from(entry.unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let moment = moment.unwrap_or(Timestamp::UNIX_EPOCH);
    let severity = Severity::of_status(entry.status);
    let (dim, plain) = if coloured { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let colour = if coloured { colour_of(severity) } else { "" };
    let level = severity.as_str().to_ascii_uppercase();
    let mut line = String::with_capacity(512);
    // A String takes every write.
    let _ = write!(line, "{dim}{moment:.6}{plain} {colour}{level:>5}{plain} request");
    let mut pair = |name: &str, value: &dyn Display| {
        let _ = write!(line, " {dim}{name}={plain}");
        push_plain(&mut line, &value.to_string());
    };
    let quoted = |text: Cow<'_, str>| format!("{text:?}");
    pair("service", &quoted(entry.service.into()));
    pair("request_id", &quoted(entry.request_id.into()));
    pair("trace_id", &quoted(entry.trace_id.into()));
    pair("user_id", &quoted(form.user_id(entry)));
    for &(name, field) in form.fields() {
        match form.value_of(field, entry) {
            FieldValue::Text(text) => pair(name, &quoted(text)),
            FieldValue::Number(number) => pair(name, &number),
        }
    }
    pair("error", &quoted(entry.error.into()));
    for (of, headers) in form.headers(entry) {
        for (name, value) in headers.each() {
            pair(&format!("{of}.{name}"), &quoted(value));
        }
    }
    if let Some(rate) = form.sample_rate(entry) {
        pair("sample_rate", &rate);
    }
    line.push('\n');
    line.into_bytes()
}
