//! Log records: what the process says of itself, and its requests in the access log's own form, with the same fields
//! and the same secrets hidden.
//!
//! Both come from wherever something is logged, so where they go is a static, like the subscriber itself.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata};

use super::attribute::{number, pair, text, text_value};
use super::queue::Queue;
use super::span::unix_ns;
use crate::telemetry::access_line::{Entry, Form};

/// Further facts of an event are left out.
const MAX_FIELDS: usize = 64;

/// Where records go; nowhere at first.
static SINK: ArcSwapOption<LogSink> = ArcSwapOption::const_empty();

thread_local! {
    /// This thread delivers records: what it says of itself would have to be delivered as well, and so on.
    static DELIVERS: Cell<bool> = const { Cell::new(false) };
}

/// Takes records.
pub struct LogSink {
    queue: Queue<LogRecord>,
    level: LevelFilter,
}

impl LogSink {
    pub(super) fn new(queue: Queue<LogRecord>, level: LevelFilter) -> Self {
        Self { queue, level }
    }
}

/// Records go there from now on, or nowhere.
pub fn set_sink(sink: Option<Arc<LogSink>>) {
    SINK.store(sink);
}

/// Nothing that this thread says is recorded.
pub(super) fn mute_this_thread() {
    DELIVERS.set(true);
}

/// Records a request that has ended.
pub fn request(form: &Form, entry: &Entry<'_>) {
    if let Some(sink) = &*SINK.load() {
        sink.queue.put(request_record(form, entry), 1);
    }
}

/// Records what passes the log's own filters, and the collector's level.
pub fn event(event: &Event<'_>, metadata: &Metadata<'_>) {
    let sink = SINK.load();
    let Some(sink) = &*sink else { return };
    if *metadata.level() > sink.level || DELIVERS.get() {
        return;
    }
    sink.queue.put(event_record(event, metadata), 1);
}

fn event_record(event: &Event<'_>, metadata: &Metadata<'_>) -> LogRecord {
    let mut facts = Facts { body: None, attributes: vec![text("target", metadata.target())] };
    event.record(&mut facts);
    let now = unix_ns();
    LogRecord {
        time_unix_nano: now,
        observed_time_unix_nano: now,
        severity_number: severity(*metadata.level()).into(),
        severity_text: metadata.level().to_string().to_ascii_lowercase(),
        body: facts.body,
        attributes: facts.attributes,
        ..LogRecord::default()
    }
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    }
}

/// An event's message and its other fields.
struct Facts {
    body: Option<AnyValue>,
    attributes: Vec<KeyValue>,
}

impl Facts {
    fn add(&mut self, field: &Field, value: AnyValue) {
        if field.name() == "message" {
            self.body = Some(value);
        } else if self.attributes.len() < MAX_FIELDS {
            self.attributes.push(pair(field.name(), value));
        }
    }
}

impl Visit for Facts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, text_value(&format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, text_value(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, AnyValue { value: Some(Value::IntValue(value)) });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // OTLP's whole numbers have a sign.
        let value = i64::try_from(value).map_or(Value::DoubleValue(value as f64), Value::IntValue);
        self.add(field, AnyValue { value: Some(value) });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, AnyValue { value: Some(Value::DoubleValue(value)) });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, AnyValue { value: Some(Value::BoolValue(value)) });
    }
}

fn request_record(form: &Form, entry: &Entry<'_>) -> LogRecord {
    let mut record = form.value(entry);
    let said = record.get("level").and_then(|level| level.as_str()).unwrap_or_default().to_owned();
    let severity = match said.as_str() {
        "error" => SeverityNumber::Error,
        "warn" => SeverityNumber::Warn,
        _ => SeverityNumber::Info,
    };
    let fields = record.get_mut("fields").map(serde_json::Value::take).unwrap_or_default();
    let named =
        ["service", "request_id", "user_id"].map(|key| (key.to_owned(), record[key].take()));
    let fields = fields.as_object().cloned().unwrap_or_default();
    let trace_id = u128::from_str_radix(entry.trace_id.as_str(), 16).ok();
    LogRecord {
        time_unix_nano: entry.unix_ms.saturating_mul(1_000_000),
        observed_time_unix_nano: unix_ns(),
        severity_number: severity.into(),
        severity_text: said,
        body: Some(text_value("request")),
        attributes: named.into_iter().chain(fields).flat_map(facts).collect(),
        trace_id: trace_id.map_or_else(Vec::new, |id| id.to_be_bytes().to_vec()),
        event_name: "proconsul.request".to_owned(),
        ..LogRecord::default()
    }
}

/// What is empty says nothing; of headers, each is a fact.
fn facts((key, value): (String, serde_json::Value)) -> Vec<KeyValue> {
    match value {
        serde_json::Value::Null => Vec::new(),
        serde_json::Value::String(value) if value.is_empty() => Vec::new(),
        serde_json::Value::String(value) => vec![text(&key, &value)],
        serde_json::Value::Object(below) => below
            .into_iter()
            .flat_map(|(name, value)| facts((format!("{key}.{name}"), value)))
            .collect(),
        other => vec![match other.as_i64() {
            Some(value) => number(&key, value),
            None => text(&key, &other.to_string()),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_keep_their_kind_and_what_is_empty_is_left_out() {
        let value =
            serde_json::json!({"a": 1, "b": "x", "c": "", "d": null, "e": {"f": "y"}, "g": 0.5});
        let expected = [number("k.a", 1), text("k.b", "x"), text("k.e.f", "y"), text("k.g", "0.5")];
        assert_eq!(facts(("k".into(), value)), expected);
    }
}
