//! An object that is being filled: whoever fills it does not know whether it becomes a line or a value.

use serde_json::{Map, Value};

use super::json_line::needs_escape;

/// A key as JSON has it after another pair and before a text: `,"name":"`. Written once, so that a line needs
/// to copy it only.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a>(&'a str);

/// A [`Key`] that is made at run time.
#[derive(Debug)]
pub struct KeyBuf(Box<str>);

/// A [`Key`] that is a constant.
macro_rules! key {
    ($name:literal) => {
        $crate::telemetry::object::Key::of_written(concat!(",\"", $name, "\":\""))
    };
}
pub(crate) use key;

/// ASCII without anything that JSON escapes: digits, and words of ours.
#[derive(Debug, Clone, Copy)]
pub struct Plain<'a>(&'a [u8]);

/// An object that is being filled; each key is given once.
pub trait Object {
    fn text(&mut self, key: Key<'_>, value: &str);

    /// A text that is known to need no escape.
    fn plain(&mut self, key: Key<'_>, value: Plain<'_>);

    fn number(&mut self, key: Key<'_>, value: u64);

    /// A number between 0 and 1.
    fn share(&mut self, key: Key<'_>, value: f64);

    /// A key with an object of its own.
    fn object(&mut self, key: Key<'_>, fill: impl FnOnce(&mut Self));
}

impl<'a> Key<'a> {
    /// Of what [`key!`] wrote.
    pub const fn of_written(written: &'a str) -> Self {
        Self(written)
    }

    pub fn name(self) -> &'a str {
        &self.0[2..self.0.len() - 3]
    }

    pub fn written(self) -> &'a str {
        self.0
    }
}

impl KeyBuf {
    /// Of a name that needs no escape.
    pub fn new(name: &str) -> Self {
        let name = Plain::new(name.as_bytes()).as_str();
        Self(format!(",\"{name}\":\"").into())
    }

    pub fn get(&self) -> Key<'_> {
        Key(&self.0)
    }
}

impl<'a> Plain<'a> {
    pub const EMPTY: Plain<'static> = Plain(b"");

    /// Of what only this program writes, or has found to be plain.
    pub fn new(text: &'a [u8]) -> Self {
        debug_assert!(text.is_ascii() && !text.iter().any(|&byte| needs_escape(byte)));
        Self(text)
    }

    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    pub fn as_str(self) -> &'a str {
        str::from_utf8(self.0).unwrap_or_default()
    }
}

impl Object for Map<String, Value> {
    fn text(&mut self, key: Key<'_>, value: &str) {
        self.insert(key.name().to_owned(), value.into());
    }

    fn plain(&mut self, key: Key<'_>, value: Plain<'_>) {
        self.text(key, value.as_str());
    }

    fn number(&mut self, key: Key<'_>, value: u64) {
        self.insert(key.name().to_owned(), value.into());
    }

    fn share(&mut self, key: Key<'_>, value: f64) {
        self.insert(key.name().to_owned(), value.into());
    }

    fn object(&mut self, key: Key<'_>, fill: impl FnOnce(&mut Self)) {
        let mut inner = Map::new();
        fill(&mut inner);
        self.insert(key.name().to_owned(), inner.into());
    }
}
