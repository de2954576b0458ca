//! Durations and sizes as people write them: `10ms`, `1m30s`, `16MiB`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A duration. Written by hand rather than by a crate: five units and no fractions are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Largest first, so that printing is greedy.
const TIME_UNITS: [(&str, u64); 5] =
    [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Time {
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// Reads `250us`, `10ms`, `30s`, `5m`, `1h` and sums such as `1m30s`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut rest, mut micros) = (text, 0_u64);
        while !rest.is_empty() || text.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit());
            let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
            let (_, factor) = TIME_UNITS.iter().find(|(name, _)| *name == unit)?;
            micros = number.parse::<u64>().ok()?.checked_mul(*factor)?.checked_add(micros)?;
            rest = after;
        }
        Some(Self(Duration::from_micros(micros)))
    }
}

impl Size {
    /// Reads `512B`, `64KiB`, `16MiB`, `1GiB`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text, |c| c.is_ascii_digit());
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*factor).map(Self)
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        // The largest unit that divides it: `90s` is plainer than `1m30s`.
        let unit =
            TIME_UNITS.iter().find(|(_, factor)| micros != 0 && micros.is_multiple_of(*factor));
        let (name, factor) = unit.unwrap_or(&("s", 1_000_000));
        write!(f, "{}{name}", micros / factor)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit =
            SIZE_UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        let (name, factor) = unit.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / factor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"10ms\", \"30s\", \"5m\"; units are us, ms, s, m, h")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        Time::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"64KiB\", \"16MiB\", or a whole number of bytes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
        u64::try_from(bytes)
            .map(Size)
            .map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TimeVisitor)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

// Serialised for one purpose: the defaults in the JSON Schema.
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

// A `${..}` substitution may stand where a text does, so the patterns let it through.
impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A duration: whole numbers with a unit (us, ms, s, m, h).",
            "pattern": r"^([0-9]+(us|ms|s|m|h))+$|\$\{",
            "examples": ["10ms", "30s", "5m"],
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A size: a whole number with a unit (B, KiB, MiB, GiB), or of bytes.",
            "pattern": r"^[0-9]+(B|KiB|MiB|GiB)$|\$\{",
            "minimum": 0,
            "examples": ["64KiB", "16MiB"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        for (text, micros) in [("250us", 250), ("10ms", 10_000), ("1m30s", 90_000_000), ("0s", 0)] {
            assert_eq!(Time::parse(text), Some(Time(Duration::from_micros(micros))), "{text}");
        }
        for text in ["", "10", "ms", "1.5s", "-1s", "10 ms", "1d", "99999999999999999999s"] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        for text in ["250us", "10ms", "90s", "2m", "1h", "0s"] {
            assert_eq!(Time::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn sizes_read_and_print() {
        assert_eq!(Size::parse("16MiB"), Some(Size(16 << 20)));
        for text in ["", "MiB", "16MB", "1.5KiB", "-1B", "99999999999GiB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
        for text in ["16MiB", "1000B", "64KiB", "0B"] {
            assert_eq!(Size::parse(text).map(|s| s.to_string()).as_deref(), Some(text));
        }
    }
}
