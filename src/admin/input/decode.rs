//! JSON to a type, with every mistake: what will not decode is noted and taken out, what is missing is noted
//! and filled in, and decoding begins again, until all is said. A good document is decoded once.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::mistakes::{Mistakes, pointer_to};

/// Tries of one document: each takes out or fills in something.
const MAX_ROUNDS: usize = 256;

/// What may stand in for a value that is missing or wrong, so that the rest is looked at all the same.
fn placeholders() -> [Value; 5] {
    [
        "1s".into(),
        1.into(),
        Value::Array(Vec::new()),
        Value::Object(serde_json::Map::new()),
        false.into(),
    ]
}

/// Decodes a document; `None` if something is wrong that leaves nothing to go on with.
pub fn decode_value<T: DeserializeOwned>(
    mut document: Value,
    mistakes: &mut Mistakes,
) -> Option<T> {
    let mut tried: HashMap<String, usize> = HashMap::new();
    for _ in 0..MAX_ROUNDS {
        let error = match serde_path_to_error::deserialize::<_, T>(document.clone()) {
            Ok(decoded) => return Some(decoded),
            Err(error) => error,
        };
        let mut pointer = pointer_of(error.path());
        let what = error.inner().to_string();
        if let Some(field) = named(&what, "missing field `") {
            let missing = pointer_to(&pointer, field);
            mistakes.add_at(missing.clone(), "is missing".to_owned());
            fill(&mut document, &missing, &mut tried)?;
            continue;
        }
        if let Some(field) = named(&what, "unknown field `") {
            if document.pointer(&pointer).is_some_and(Value::is_object)
                && document.pointer(&pointer_to(&pointer, field)).is_some()
            {
                pointer = pointer_to(&pointer, field);
            }
            let allowed = what.split_once(", ").map_or("", |(_, allowed)| allowed);
            mistakes.add_at(pointer.clone(), format!("is not known here: {allowed}"));
            remove(&mut document, &pointer)?;
            continue;
        }
        mistakes.add_at(pointer.clone(), in_json_words(&what));
        if tried.contains_key(&pointer) || remove(&mut document, &pointer).is_none() {
            fill(&mut document, &pointer, &mut tried)?;
        }
        if mistakes.is_full() {
            return None;
        }
    }
    None
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => pointer_to(&pointer, &index.to_string()),
        Segment::Map { key } => pointer_to(&pointer, key),
        Segment::Enum { variant } => pointer_to(&pointer, variant),
        Segment::Unknown => pointer,
    })
}

fn named<'a>(what: &'a str, prefix: &str) -> Option<&'a str> {
    what.strip_prefix(prefix)?.split('`').next()
}

fn parent_of<'v>(document: &'v mut Value, pointer: &str) -> Option<(&'v mut Value, String)> {
    let (parent, last) = pointer.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    Some((document.pointer_mut(parent)?, last))
}

/// Takes a key out; `None` where there is none to take out.
fn remove(document: &mut Value, pointer: &str) -> Option<()> {
    let (parent, key) = parent_of(document, pointer)?;
    parent.as_object_mut()?.remove(&key).map(|_| ())
}

/// Puts the next placeholder there; `None` once all were tried.
fn fill(document: &mut Value, pointer: &str, tried: &mut HashMap<String, usize>) -> Option<()> {
    let next = tried.entry(pointer.to_owned()).or_default();
    let placeholder = placeholders().into_iter().nth(*next)?;
    *next += 1;
    match parent_of(document, pointer)? {
        (Value::Object(entries), key) => _ = entries.insert(key, placeholder),
        (Value::Array(items), index) => *items.get_mut(index.parse::<usize>().ok()?)? = placeholder,
        _ => return None,
    }
    Some(())
}

/// Serde names Rust's types; a client knows JSON's.
fn in_json_words(what: &str) -> String {
    let Some((_, expected)) = what.rsplit_once(", expected ") else { return what.to_owned() };
    let expected = match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number from 0",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    };
    // The value itself is not repeated: it may be a secret.
    format!("will not do; expected {expected}")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::config::Time;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Outer {
        host: String,
        port: u16,
        ttl: Option<Time>,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        name: String,
        count: Option<u8>,
    }

    fn pointers(document: Value) -> Vec<String> {
        let mut mistakes = Mistakes::of_body();
        let decoded = decode_value::<Outer>(document, &mut mistakes);
        assert!(decoded.is_some() || !mistakes.is_empty());
        mistakes.places()
    }

    #[test]
    fn every_mistake_is_named_once() {
        let cases = [
            (json!({ "host": "h", "port": 1 }), vec![]),
            (json!({}), vec!["/host", "/port"]),
            (json!({ "host": 3, "port": "x", "ttl": "soon" }), vec!["/host", "/port", "/ttl"]),
            (json!({ "host": "h", "port": 1, "prot": 2, "a/b": 1 }), vec!["/a~1b", "/prot"]),
            (
                json!({ "host": "h", "port": 70000, "inner": [{ "count": 300 }, 5, { "name": 1, "x": 1 }] }),
                vec![
                    "/inner/0/count",
                    "/inner/0/name",
                    "/inner/1",
                    "/inner/2/name",
                    "/inner/2/x",
                    "/port",
                ],
            ),
            (json!([]), vec![""]),
            (json!({ "host": "h", "port": 1, "inner": {} }), vec!["/inner"]),
        ];
        for (document, expected) in cases {
            assert_eq!(pointers(document.clone()), expected, "{document}");
        }
    }
}
