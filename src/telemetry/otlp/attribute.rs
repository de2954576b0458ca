//! Facts of spans, records and the process, as OTLP spells them.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

/// Longer texts are cut: clients write some of them.
const MAX_TEXT_BYTES: usize = 1024;

/// A text under a key.
pub(super) fn text(key: &str, value: &str) -> KeyValue {
    pair(key, text_value(value))
}

/// A whole number under a key.
pub(super) fn number(key: &str, value: i64) -> KeyValue {
    pair(key, AnyValue { value: Some(Value::IntValue(value)) })
}

/// A text by itself.
pub(super) fn text_value(value: &str) -> AnyValue {
    let end = value.floor_char_boundary(MAX_TEXT_BYTES);
    AnyValue { value: Some(Value::StringValue(value[..end].to_owned())) }
}

/// Any value under a key.
pub(super) fn pair(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_letters() {
        let long = format!("{}é", "x".repeat(MAX_TEXT_BYTES - 1));
        let AnyValue { value: Some(Value::StringValue(cut)) } = text_value(&long) else {
            panic!("a text is a text");
        };
        assert_eq!(cut, "x".repeat(MAX_TEXT_BYTES - 1));
    }
}
