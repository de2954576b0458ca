//! A request's query, read as strictly as its body. A parameter may stand several times.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::decode::decode_value;
use super::mistakes::Mistakes;
use crate::admin::problem::Problem;

/// More parameters than any request needs.
const MAX_PARAMETERS: usize = 64;

/// The largest whole number that every JSON parser reads exactly.
const MAX_INDEX: u64 = (1 << 53) - 1;

/// The query, decoded as far as it can be, and the mistakes that it has so far: converting it may find more.
pub struct Query<T>(pub T, pub Mistakes);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or("");
        let mut fields = Map::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).take(MAX_PARAMETERS) {
            // Several become a list; those of which only one is allowed will not decode from a list.
            match fields.get_mut(&*name) {
                None => _ = fields.insert(name.into_owned(), Value::String(value.into_owned())),
                Some(Value::Array(values)) => values.push(value.into()),
                Some(former) => *former = Value::Array(vec![former.take(), value.into()]),
            }
        }
        let mut mistakes = Mistakes::of_parameters();
        match decode_value(Value::Object(fields), &mut mistakes) {
            Some(decoded) => Ok(Self(decoded, mistakes)),
            None => Err(mistakes.into_problem()),
        }
    }
}

/// For `deserialize_with`: a value of a parameter is text, whatever it stands for.
pub fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(D::Error::custom)
}

/// For `deserialize_with`: an index, which every JSON parser reads exactly.
pub fn index_from_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let index = text.parse().ok().filter(|index| *index <= MAX_INDEX);
    let expected = || D::Error::custom(format!("is no index; allowed are 0 to {MAX_INDEX}"));
    index.map(Some).ok_or_else(expected)
}

/// One or several of a parameter.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub enum Several {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Several {
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Several::None => Vec::new(),
            Several::One(one) => vec![one],
            Several::Many(many) => many,
        }
    }
}
