//! A JSON object in one line, written straight into a buffer.
//!
//! For where a general serializer costs too much: it is asked for each key and value anew how they are
//! written. Here a key is a constant that needs no escape, and a text that needs none, as nearly all do, is
//! copied. Whoever fills an [`Object`] does not know whether it becomes a line or a value.

use serde_json::{Map, Value};

/// An object that is being filled; each key is given once.
pub trait Object {
    /// `key` is one of ours, and needs no escape.
    fn text(&mut self, key: &str, value: &str);

    fn number(&mut self, key: &str, value: u64);

    /// A number between 0 and 1.
    fn share(&mut self, key: &str, value: f64);

    /// A key with an object of its own.
    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self));
}

/// An object as text.
pub struct JsonLine {
    buffer: Vec<u8>,
    /// Nothing stands in the innermost object yet.
    is_empty: bool,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl JsonLine {
    /// Begins an object, with room for so much.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut buffer = Vec::with_capacity(bytes);
        buffer.push(b'{');
        Self { buffer, is_empty: true }
    }

    /// The whole object, and a newline, which is the only one.
    pub fn end(mut self) -> Vec<u8> {
        self.buffer.extend_from_slice(b"}\n");
        self.buffer
    }

    fn key(&mut self, key: &str) {
        self.buffer.reserve(key.len() + 4);
        if !std::mem::replace(&mut self.is_empty, false) {
            self.buffer.push(b',');
        }
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(key.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }
}

impl Object for JsonLine {
    fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        push_quoted(&mut self.buffer, value);
    }

    fn number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn share(&mut self, key: &str, value: f64) {
        self.key(key);
        self.buffer.extend_from_slice(value.to_string().as_bytes());
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.buffer.push(b'{');
        self.is_empty = true;
        fill(self);
        self.is_empty = false;
        self.buffer.push(b'}');
    }
}

impl Object for Map<String, Value> {
    fn text(&mut self, key: &str, value: &str) {
        self.insert(key.to_owned(), value.into());
    }

    fn number(&mut self, key: &str, value: u64) {
        self.insert(key.to_owned(), value.into());
    }

    fn share(&mut self, key: &str, value: f64) {
        self.insert(key.to_owned(), value.into());
    }

    fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        let mut inner = Map::new();
        fill(&mut inner);
        self.insert(key.to_owned(), inner.into());
    }
}

/// A text as JSON has it (RFC 8259, section 7).
fn push_quoted(buffer: &mut Vec<u8>, text: &str) {
    buffer.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = first_escape(rest) {
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

/// Where the first byte is that needs an escape. Sixteen at a time, which the processor compares at once.
fn first_escape(text: &[u8]) -> Option<usize> {
    let (chunks, _) = text.as_chunks::<16>();
    let plain = chunks
        .iter()
        .take_while(|chunk| !chunk.iter().fold(false, |found, &byte| found | needs_escape(byte)));
    let from = plain.count() * 16;
    let rest = text[from..].iter().position(|&byte| needs_escape(byte));
    rest.map(|at| from + at)
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// What is read of a line, and what the same makes as a value.
    fn both(fill: impl Fn(&mut JsonLine), again: impl Fn(&mut Map<String, Value>)) -> [Value; 2] {
        let (mut line, mut map) = (JsonLine::with_capacity(0), Map::new());
        fill(&mut line);
        again(&mut map);
        let line = line.end();
        assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
        [serde_json::from_slice(&line).unwrap(), map.into()]
    }

    fn nested(object: &mut impl Object) {
        object.text("a", "");
        object.object("b", |object| {
            object.number("c", 0);
            object.object("d", |_| {});
            object.number("e", u64::MAX);
        });
        object.object("f", |_| {});
        object.share("g", 0.25);
    }

    #[test]
    fn objects_stand_in_objects() {
        let expected =
            json!({ "a": "", "b": { "c": 0, "d": {}, "e": u64::MAX }, "f": {}, "g": 0.25 });
        assert_eq!(both(nested, nested), [expected.clone(), expected]);
    }

    #[test]
    fn an_escape_is_found_wherever_it_is() {
        for length in 0..50 {
            let plain = vec![b'x'; length];
            assert_eq!(first_escape(&plain), None);
            for at in 0..length {
                let mut text = plain.clone();
                text[at] = b'"';
                assert_eq!(first_escape(&text), Some(at), "{length}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_and_stays_in_its_line(text in any::<String>()) {
            let fill = |object: &mut JsonLine| object.text("key", &text);
            let again = |object: &mut Map<String, Value>| object.text("key", &text);
            let expected = json!({ "key": text });
            prop_assert_eq!(both(fill, again), [expected.clone(), expected]);
        }
    }
}
