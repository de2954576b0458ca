//! A JSON object in one line, written straight into a buffer.
//!
//! For where a general serializer costs too much: it is asked for each key and value anew how they are
//! written. Here a key is a constant that needs no escape, and a text that needs none, as nearly all do, is
//! copied.

use std::io::Write as _;

/// An object that is being written.
pub struct JsonLine<'a> {
    buffer: &'a mut Vec<u8>,
    /// Nothing stands in the object yet.
    is_empty: bool,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl<'a> JsonLine<'a> {
    /// Begins an object.
    pub fn begin(buffer: &'a mut Vec<u8>) -> Self {
        buffer.push(b'{');
        Self { buffer, is_empty: true }
    }

    /// Ends it.
    pub fn end(self) {
        self.buffer.push(b'}');
    }

    /// A key with a text; `key` is one of ours and needs no escape.
    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_quoted(self.buffer, value);
    }

    /// A key with a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        let mut digits = [0; 20];
        let mut first = digits.len();
        let mut rest = value;
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[first..]);
    }

    /// A key with a share between 0 and 1.
    pub fn share(&mut self, key: &str, value: f64) {
        self.key(key);
        let _ = write!(self.buffer, "{value}"); // a Vec takes every write
    }

    /// A key with an object, which the next keys belong to until it is ended.
    pub fn object(&mut self, key: &str) -> JsonLine<'_> {
        self.key(key);
        JsonLine::begin(self.buffer)
    }

    fn key(&mut self, key: &str) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.buffer.push(b',');
        }
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }
}

/// A text as JSON has it (RFC 8259, section 7).
fn push_quoted(buffer: &mut Vec<u8>, text: &str) {
    buffer.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
        buffer.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => buffer.extend_from_slice(b"\\\""),
            b'\\' => buffer.extend_from_slice(b"\\\\"),
            b'\n' => buffer.extend_from_slice(b"\\n"),
            b'\r' => buffer.extend_from_slice(b"\\r"),
            b'\t' => buffer.extend_from_slice(b"\\t"),
            byte => {
                buffer.extend_from_slice(b"\\u00");
                buffer.extend([byte >> 4, byte & 0xf].map(|digit| HEX[usize::from(digit)]));
            }
        }
        rest = &rest[at + 1..];
    }
    buffer.extend_from_slice(rest);
    buffer.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn objects_stand_in_objects() {
        let mut buffer = Vec::new();
        let mut line = JsonLine::begin(&mut buffer);
        line.text("a", "");
        let mut inner = line.object("b");
        inner.number("c", 0);
        inner.number("d", u64::MAX);
        inner.end();
        line.object("e").end();
        line.share("f", 0.25);
        line.end();
        let read: Value = serde_json::from_slice(&buffer).unwrap();
        assert_eq!(read, json!({ "a": "", "b": { "c": 0, "d": u64::MAX }, "e": {}, "f": 0.25 }));
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_and_stays_in_its_line(text in any::<String>()) {
            let mut buffer = Vec::new();
            let mut line = JsonLine::begin(&mut buffer);
            line.text("key", &text);
            line.end();
            prop_assert!(!buffer.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<Value>(&buffer).unwrap(), json!({ "key": text }));
        }

        #[test]
        fn every_number_is_read_back(number in any::<u64>()) {
            let mut buffer = Vec::new();
            let mut line = JsonLine::begin(&mut buffer);
            line.number("key", number);
            line.end();
            prop_assert_eq!(serde_json::from_slice::<Value>(&buffer).unwrap(), json!({ "key": number }));
        }
    }
}
