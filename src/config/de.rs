//! Serde's view of a tree: a `Deserializer` that skips what is pruned, and whose errors say where
//! they happened and in what they consist rather than in words.
//!
//! It stands in for `toml`'s own because that one puts values into its messages, secrets among
//! them, and because an error as data is what the caller needs to prune and go on.

use serde::de::value::StringDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::path::{KeyPath, Step};
use super::tree::{Node, Value};

/// Why a tree does not decode, and where.
#[derive(Debug, thiserror::Error)]
#[error("{kind:?}")]
pub struct Error {
    /// Innermost step first: it grows on the way out.
    steps: Vec<Step>,
    pub kind: Kind,
}

#[derive(Debug)]
pub enum Kind {
    /// The last step of the path is a key that its table does not have.
    UnknownKey { allowed: &'static [&'static str] },
    /// The path leads to a table without this key.
    MissingKey(&'static str),
    /// A text that is none of a fixed set.
    UnknownVariant { allowed: &'static [&'static str] },
    /// Another type or another range, in serde's words.
    Unexpected { expected: String },
    /// Words of the schema's own.
    Other(String),
}

impl Error {
    /// The path from the root, and what is wrong there.
    pub fn into_parts(mut self) -> (KeyPath, Kind) {
        self.steps.reverse();
        (KeyPath(self.steps), self.kind)
    }

    fn at(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self { steps: Vec::new(), kind }
    }
}

// The `Unexpected` of each is dropped: it holds the value, which may be a secret.
impl de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Kind::Other(message.to_string()).into()
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Kind::Unexpected { expected: expected.to_string() }.into()
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Kind::Unexpected { expected: expected.to_string() }.into()
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Kind::Unexpected { expected: expected.to_string() }.into()
    }

    fn unknown_variant(_: &str, allowed: &'static [&'static str]) -> Self {
        Kind::UnknownVariant { allowed }.into()
    }

    fn unknown_field(_: &str, allowed: &'static [&'static str]) -> Self {
        Kind::UnknownKey { allowed }.into()
    }

    fn missing_field(field: &'static str) -> Self {
        Kind::MissingKey(field).into()
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.value {
            Value::String { text, .. } => visitor.visit_borrowed_str(text),
            Value::Missing => visitor.visit_borrowed_str(""),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Datetime(value) => visitor.visit_borrowed_str(value),
            Value::Array(items) => visitor.visit_seq(Items { items: items.iter(), next: 0 }),
            Value::Table(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), current: None })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// `"name"`, or `{ name = value }`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.value {
            Value::String { text, .. } => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Table(entries) => {
                let mut left = entries.iter().filter(|(_, node)| node.pruned.is_none());
                match (left.next(), left.next()) {
                    (Some((key, value)), None) => visitor.visit_enum(Variant { key, value }),
                    _ => Err(Kind::UnknownVariant { allowed: variants }.into()),
                }
            }
            _ => Err(Kind::UnknownVariant { allowed: variants }.into()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    /// The position among the entries that are left: the one that `tree` counts by.
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.find(|node| node.pruned.is_none()) else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(item).map(Some).map_err(|error| error.at(Step::Index(index)))
    }
}

struct Entries<'de> {
    entries: std::collections::btree_map::Iter<'de, String, Node>,
    current: Option<(&'de str, &'de Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, node)) = self.entries.find(|(_, node)| node.pruned.is_none()) else {
            return Ok(None);
        };
        self.current = Some((key, node));
        let name: StringDeserializer<Error> = key.clone().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.at(Step::Key(key.clone())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((key, node)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(node).map_err(|error| error.at(Step::Key(key.to_owned())))
    }
}

/// `{ key = value }` as an enum's variant with content.
struct Variant<'de> {
    key: &'de str,
    value: &'de Node,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StringDeserializer<Error> = self.key.to_owned().into_deserializer();
        let variant = seed.deserialize(name).map_err(|mut error: Error| {
            // Of a table `{ naem = ".." }` it is the key that is unknown.
            if let Kind::UnknownVariant { allowed } = error.kind {
                error.kind = Kind::UnknownKey { allowed };
            }
            error.at(Step::Key(self.key.to_owned()))
        })?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(Kind::Unexpected { expected: format!("the text {:?}", self.key) }.into())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.value).map_err(|error| error.at(Step::Key(self.key.to_owned())))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_any(self.value, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        de::Deserializer::deserialize_any(self.value, visitor)
            .map_err(|error| error.at(Step::Key(self.key.to_owned())))
    }
}
