//! A JSON object in one line, written straight into a buffer.
//!
//! For where a general serializer costs too much: it is asked for each key and value anew how they are
//! written. Here a key was written once with all that stands around it, and a text that needs no escape, as
//! nearly all do, is copied.

use super::object::{Key, Object, Plain};

/// An object as text, at the end of a buffer.
pub struct JsonLine<'a> {
    buffer: &'a mut Vec<u8>,
    /// Nothing stands in the innermost object yet.
    is_empty: bool,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl<'a> JsonLine<'a> {
    /// Begins an object.
    pub fn begin(buffer: &'a mut Vec<u8>) -> Self {
        buffer.push(b'{');
        Self { buffer, is_empty: true }
    }

    /// Ends it, with a newline, which is the only one.
    pub fn end(self) {
        self.buffer.extend_from_slice(b"}\n");
    }

    /// The key, up to where its value begins: a text after its quotation mark, else before where that stands.
    fn key(&mut self, key: Key<'_>, is_text: bool) {
        let written = key.written().as_bytes();
        let from = usize::from(std::mem::replace(&mut self.is_empty, false));
        let to = written.len() - usize::from(!is_text);
        self.buffer.extend_from_slice(&written[from..to]);
    }
}

impl Object for JsonLine<'_> {
    fn text(&mut self, key: Key<'_>, value: &str) {
        self.key(key, true);
        push_escaped(self.buffer, value.as_bytes());
        self.buffer.push(b'"');
    }

    fn plain(&mut self, key: Key<'_>, value: Plain<'_>) {
        self.key(key, true);
        self.buffer.extend_from_slice(value.as_bytes());
        self.buffer.push(b'"');
    }

    fn number(&mut self, key: Key<'_>, value: u64) {
        self.key(key, false);
        self.buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    fn share(&mut self, key: Key<'_>, value: f64) {
        self.key(key, false);
        self.buffer.extend_from_slice(value.to_string().as_bytes());
    }

    fn object(&mut self, key: Key<'_>, fill: impl FnOnce(&mut Self)) {
        self.key(key, false);
        self.buffer.push(b'{');
        self.is_empty = true;
        fill(self);
        self.is_empty = false;
        self.buffer.push(b'}');
    }
}

/// A text as JSON has it between its quotation marks (RFC 8259, section 7).
fn push_escaped(buffer: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(at) = first_escape(text) {
        buffer.extend_from_slice(&text[..at]);
        match text[at] {
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
        text = &text[at + 1..];
    }
    buffer.extend_from_slice(text);
}

/// Where the first byte is that needs an escape.
fn first_escape(text: &[u8]) -> Option<usize> {
    let is_plain = match text.len() {
        0..4 => false,
        4..8 => all_plain::<4>(text),
        8..16 => all_plain::<8>(text),
        _ => all_plain::<16>(text),
    };
    if is_plain { None } else { text.iter().position(|&byte| needs_escape(byte)) }
}

/// Whether no byte needs an escape, of a text of at least `N`. The processor compares `N` at once.
fn all_plain<const N: usize>(text: &[u8]) -> bool {
    let is_plain = |chunk: &[u8; N]| !chunk.iter().fold(false, |found, &b| found | needs_escape(b));
    let (chunks, _) = text.as_chunks();
    // The last one has the rest in it, and some that were looked at.
    chunks.iter().all(is_plain) && text.last_chunk().is_some_and(is_plain)
}

/// Whether JSON has a byte of a text in another form.
pub fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::super::object::{KeyBuf, key};
    use super::*;

    /// What is read of a line, and what the same makes as a value.
    fn both(
        fill: impl Fn(&mut JsonLine<'_>),
        again: impl Fn(&mut Map<String, Value>),
    ) -> [Value; 2] {
        let (mut line, mut map) = (Vec::new(), Map::new());
        let mut object = JsonLine::begin(&mut line);
        fill(&mut object);
        object.end();
        again(&mut map);
        assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
        [serde_json::from_slice(&line).unwrap(), map.into()]
    }

    fn nested(object: &mut impl Object) {
        object.plain(key!("a"), Plain::EMPTY);
        object.object(key!("b"), |object| {
            object.number(key!("c"), 0);
            object.object(key!("d"), |_| {});
            object.number(key!("e"), u64::MAX);
        });
        object.object(key!("f"), |_| {});
        object.share(key!("g"), 0.25);
    }

    #[test]
    fn objects_stand_in_objects() {
        let expected =
            json!({ "a": "", "b": { "c": 0, "d": {}, "e": u64::MAX }, "f": {}, "g": 0.25 });
        assert_eq!(both(|object| nested(object), nested), [expected.clone(), expected]);
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
            let fill = |object: &mut JsonLine<'_>| object.text(KeyBuf::new("key").get(), &text);
            let again = |object: &mut Map<String, Value>| object.text(KeyBuf::new("key").get(), &text);
            let expected = json!({ "key": text });
            prop_assert_eq!(both(fill, again), [expected.clone(), expected]);
        }
    }
}
