//! Reads a strategy's configuration: JSON that the proxy wrote, into the plugin's own type by serde.
//!
//! Not `serde_json`, for two reasons. It and what it formats make a component twice as large, and the time to
//! compile a component is the time that a change takes to be live. And its messages say line and
//! column, of a text that nobody wrote; these say which key of the table.
//!
//! Numbers with a fraction are exact up to 15 digits and exponents up to 22. Texts are whole Unicode; of
//! `\u` escapes, those that JSON needs (control characters) and pairs.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// How deep tables and lists may lie in each other.
const MAX_DEPTH: u32 = 64;

/// Reads a whole text. The error names the key: `load_factor: …`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut reader = Reader { text: text.as_bytes(), at: 0, depth: 0 };
    let value = T::deserialize(&mut reader).and_then(|value| match reader.peek() {
        None => Ok(value),
        Some(_) => Err(Error::syntax("more after the end")),
    });
    value.map_err(|Error { path, message }| match path.is_empty() {
        true => message,
        false => format!("`{path}`: {message}"),
    })
}

/// What is wrong, and with which key.
#[derive(Debug)]
struct Error {
    path: String,
    message: String,
}

impl Error {
    fn syntax(message: &str) -> Self {
        Self { path: String::new(), message: ["is not JSON: ", message].concat() }
    }

    /// Says that it happened under this key, or at this place of a list.
    fn under(mut self, key: &str) -> Self {
        if !self.path.is_empty() {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, key);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }

    // serde's own two would bring the formatting of floats and of Unicode escapes along.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("is {}; it must be {expected}", Found(found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

/// What was found, in the words of TOML.
struct Found<'a>(Unexpected<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Bool(true) => f.write_str("`true`"),
            Unexpected::Bool(false) => f.write_str("`false`"),
            Unexpected::Unsigned(number) => write!(f, "{number}"),
            Unexpected::Signed(number) => write!(f, "{number}"),
            Unexpected::Float(_) => f.write_str("a number with a fraction"),
            Unexpected::Str(text) => write!(f, "the text `{text}`"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("a table"),
            Unexpected::Unit | Unexpected::Option => f.write_str("nothing"),
            _ => f.write_str("something else"),
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    /// The next byte that is no white space, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), Error> {
        if self.peek() != Some(byte) {
            return Err(Error::syntax("a bracket, comma or colon is missing"));
        }
        self.at += 1;
        Ok(())
    }

    /// Before each item but the first a comma; false where the list or table ends.
    fn another(&mut self, first: &mut bool, end: u8) -> Result<bool, Error> {
        if self.peek() == Some(end) {
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(b',')?;
        }
        Ok(true)
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.at += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(Error::syntax("too deep")) } else { Ok(()) }
    }

    fn leave(&mut self, end: u8) -> Result<(), Error> {
        self.depth -= 1;
        self.expect(end)
    }

    fn word(&mut self, word: &str) -> Result<(), Error> {
        match self.text.get(self.at..self.at + word.len()) {
            Some(found) if found == word.as_bytes() => {
                self.at += word.len();
                Ok(())
            }
            _ => Err(Error::syntax("a word is misspelt")),
        }
    }

    fn string(&mut self) -> Result<String, Error> {
        let bad = || Error::syntax("a text is broken");
        self.expect(b'"')?;
        let mut bytes = Vec::new();
        loop {
            let &byte = self.text.get(self.at).ok_or_else(bad)?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(bytes).map_err(|_| bad()),
                b'\\' => {
                    let mut utf8 = [0; 4];
                    bytes.extend(self.escape().ok_or_else(bad)?.encode_utf8(&mut utf8).bytes());
                }
                _ => bytes.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        let &byte = self.text.get(self.at)?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return char::from_u32(unit);
                }
                self.word("\\u").ok()?;
                let low = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + low);
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
    }

    fn number<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let bad = || Error::syntax("a number is broken");
        let negative = self.text.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let (mut mantissa, mut exponent, mut whole, mut digits) = (0u64, 0i32, true, 0);
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'0'..=b'9' => {
                    digits += 1;
                    let next = mantissa
                        .checked_mul(10)
                        .and_then(|m| m.checked_add(u64::from(byte - b'0')));
                    match next {
                        Some(next) => {
                            mantissa = next;
                            exponent -= i32::from(!whole);
                        }
                        // Digits that no longer fit change the size alone.
                        None => exponent += i32::from(whole),
                    }
                }
                b'.' if whole => whole = false,
                _ => break,
            }
            self.at += 1;
        }
        if digits == 0 {
            return Err(bad());
        }
        let mut fraction = !whole || exponent != 0;
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            fraction = true;
            exponent = exponent.saturating_add(self.exponent().ok_or_else(bad)?);
        }
        if fraction {
            let value = scale(mantissa as f64, exponent);
            return visitor.visit_f64(if negative { -value } else { value });
        }
        match (negative, i64::try_from(mantissa)) {
            (false, _) => visitor.visit_u64(mantissa),
            (true, Ok(value)) => visitor.visit_i64(-value),
            (true, Err(_)) => visitor.visit_f64(-(mantissa as f64)),
        }
    }

    fn exponent(&mut self) -> Option<i32> {
        let sign = self.text.get(self.at).copied();
        self.at += usize::from(matches!(sign, Some(b'+' | b'-')));
        let start = self.at;
        let mut value = 0i32;
        while let Some(&digit @ b'0'..=b'9') = self.text.get(self.at) {
            value = value.saturating_mul(10).saturating_add(i32::from(digit - b'0'));
            self.at += 1;
        }
        (self.at > start).then_some(if sign == Some(b'-') { -value } else { value })
    }
}

/// `value` × 10 to the `exponent`: exact where both are (Clinger, "How to read floating point numbers
/// accurately", 1990, the fast path), near otherwise.
fn scale(mut value: f64, exponent: i32) -> f64 {
    // Beyond these it is zero or infinite whatever the mantissa.
    let mut left = exponent.unsigned_abs().min(700);
    while left > 0 {
        let step = left.min(22);
        let power = (0..step).fold(1.0, |power, _| power * 10.0);
        value = if exponent < 0 { value / power } else { value * power };
        left -= step;
    }
    value
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_unit()),
            Some(b't') => self.word("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.word("false").and_then(|()| visitor.visit_bool(false)),
            Some(b'"') => visitor.visit_string(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number(visitor),
            Some(b'[') => {
                self.enter()?;
                let value = visitor.visit_seq(Items { reader: self, first: true, index: 0 })?;
                self.leave(b']').map(|()| value)
            }
            Some(b'{') => {
                self.enter()?;
                let value =
                    visitor.visit_map(Fields { reader: self, first: true, key: String::new() })?;
                self.leave(b'}').map(|()| value)
            }
            Some(_) => Err(Error::syntax("a value is missing")),
            None => Err(Error::syntax("it ends too early")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(b'n') => self.word("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.peek() != Some(b'{') {
            return visitor.visit_enum(Variant { reader: self, table: false });
        }
        self.enter()?;
        let value = visitor.visit_enum(Variant { reader: self, table: true })?;
        self.leave(b'}').map(|()| value)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What is in a list.
struct Items<'r, 'a> {
    reader: &'r mut Reader<'a>,
    first: bool,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if !self.reader.another(&mut self.first, b']')? {
            return Ok(None);
        }
        let value = seed.deserialize(&mut *self.reader);
        let value = value.map_err(|error| error.under(&self.index.to_string()))?;
        self.index += 1;
        Ok(Some(value))
    }
}

/// What is in a table.
struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    first: bool,
    key: String,
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        if !self.reader.another(&mut self.first, b'}')? {
            return Ok(None);
        }
        self.key = self.reader.string()?;
        self.reader.expect(b':')?;
        seed.deserialize(de::value::StrDeserializer::new(&self.key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.reader).map_err(|error| error.under(&self.key))
    }
}

/// An enum: its name, or a table of its name and what belongs to it.
struct Variant<'r, 'a> {
    reader: &'r mut Reader<'a>,
    table: bool,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = seed.deserialize(&mut *self.reader)?;
        if self.table {
            self.reader.expect(b':')?;
        }
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.table { de::Deserialize::deserialize(self.reader) } else { Ok(()) }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        if !self.table {
            return Err(de::Error::invalid_type(Unexpected::UnitVariant, &"a table"));
        }
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.reader.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.reader.deserialize_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoConfig;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Config {
        virtual_nodes: u32,
        load_factor: f64,
        zones: Vec<Zone>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Zone {
        name: String,
        spill: Option<bool>,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { virtual_nodes: 150, load_factor: 1.25, zones: Vec::new() }
        }
    }

    #[test]
    fn absent_keys_have_their_defaults() {
        let config: Config = parse(r#"{"virtual_nodes": 10}"#).unwrap();
        assert_eq!((config.virtual_nodes, config.load_factor), (10, 1.25));
        parse::<NoConfig>("{}").unwrap();
    }

    #[test]
    fn mistakes_name_the_key_and_what_is_allowed() {
        let check = |json, expected| assert_eq!(parse::<Config>(json).unwrap_err(), expected);
        check(
            r#"{"virtual_node": 10}"#,
            "unknown field `virtual_node`, expected one of `virtual_nodes`, `load_factor`, `zones`",
        );
        check(r#"{"virtual_nodes": "ten"}"#, "`virtual_nodes`: is the text `ten`; it must be u32");
        check(r#"{"virtual_nodes": -1}"#, "`virtual_nodes`: is -1; it must be u32");
        check(
            r#"{"virtual_nodes": 1.5}"#,
            "`virtual_nodes`: is a number with a fraction; it must be u32",
        );
        check(
            r#"{"zones": [{"name": "a"}, {"name": 1}]}"#,
            "`zones.1.name`: is 1; it must be a string",
        );
        check(r#"{"zones": [{}]}"#, "`zones.0`: missing field `name`");
        assert_eq!(
            parse::<NoConfig>(r#"{"a": 1}"#).unwrap_err(),
            "unknown field `a`, there are no fields"
        );
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        Off,
        Above(u32),
        Between { low: u32, high: u32 },
    }

    #[test]
    fn enums_are_names_or_tables() {
        let check = |json, expected| assert_eq!(parse::<Mode>(json).unwrap(), expected);
        check(r#""off""#, Mode::Off);
        check(r#"{"above": 3}"#, Mode::Above(3));
        check(r#"{"between": {"low": 1, "high": 2}}"#, Mode::Between { low: 1, high: 2 });
        assert!(parse::<Mode>(r#""above""#).is_err());
        assert!(parse::<Mode>(r#""of""#).is_err());
    }

    /// Any JSON, as `serde_json` has it.
    fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            (-1_000_000i64..1_000_000).prop_map(|n| (n as f64 / 1000.0).into()),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in json()) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(parse::<serde_json::Value>(&text).unwrap(), value.clone());
            let text = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(parse::<serde_json::Value>(&text).unwrap(), value);
        }

        #[test]
        fn never_panics(text in "[\\[\\]{}\",:0-9eE.+\\-\\\\untrfalse ]{0,40}") {
            let ours = parse::<serde_json::Value>(&text);
            // Laxer in nothing that matters: what serde_json takes, this takes too.
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                prop_assert!(ours.is_ok(), "{:?} is {}", text, value);
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(parse::<serde_json::Value>(&deep).unwrap_err().contains("too deep"));
    }

    #[test]
    fn escapes() {
        let check = |json, expected| assert_eq!(parse::<String>(json).unwrap(), expected);
        check(r#""a\"\\\/\b\f\n\r\t\u0041\u00e4\ud83d\ude00ß""#, "a\"\\/\u{8}\u{c}\n\r\tAä😀ß");
        assert!(parse::<String>(r#""\ud83d""#).is_err());
        assert!(parse::<String>(r#""\x""#).is_err());
        assert!(parse::<String>(r#""open"#).is_err());
    }
}
