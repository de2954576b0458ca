//! Two writers at one thing: entity tags, and requests that hold only while nothing changed (RFC 9110, 13).
//!
//! A thing's tag is the index of its newest change.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::registry::Index;

/// `If-Match` and `If-None-Match` of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    None,
    /// `If-Match: "123"`: it was not changed since.
    Since(Index),
    /// `If-Match: *`: it is there.
    Exists,
    /// `If-None-Match: *`: it is not there.
    Absent,
}

impl Condition {
    /// What the registry is to hold the change against. `exists` is the thing's index now.
    pub fn expected(self, exists: Option<Index>) -> Option<Index> {
        match self {
            Condition::None => None,
            Condition::Since(index) => Some(index),
            Condition::Exists => Some(exists.unwrap_or(Index::MAX)),
            Condition::Absent => Some(0),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Condition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let bad = |what| Problem::new(StatusCode::BAD_REQUEST, "condition", what);
        let text = |name| -> Result<Option<String>, Problem> {
            let Some(value) = parts.headers.get(&name) else { return Ok(None) };
            let text =
                value.to_str().map_err(|_| bad(format!("the header `{name}` is no text")))?;
            Ok(Some(text.trim().to_owned()))
        };
        let (match_, none_match) = (text(header::IF_MATCH)?, text(header::IF_NONE_MATCH)?);
        match (match_.as_deref(), none_match.as_deref()) {
            (None, None) => Ok(Condition::None),
            (Some("*"), None) => Ok(Condition::Exists),
            (None, Some("*")) => Ok(Condition::Absent),
            (Some(tag), None) => parse(tag).map(Condition::Since).ok_or_else(|| {
                bad("`If-Match` takes one entity tag, as `ETag` had it, or `*`".to_owned())
            }),
            (None, Some(_)) => Err(bad("of a change, `If-None-Match` takes `*` alone".to_owned())),
            (Some(_), Some(_)) => {
                Err(bad("send `If-Match` or `If-None-Match`, not both".to_owned()))
            }
        }
    }
}

/// A strong tag, which is never 0: that means absence.
fn parse(tag: &str) -> Option<Index> {
    let inside = tag.strip_prefix('"')?.strip_suffix('"')?;
    let digits = !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit());
    inside.parse().ok().filter(|&index| digits && index != 0)
}

/// The tag of a thing.
pub(super) fn etag(index: Index) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{index}\"")).expect("digits in quotes are a header's value")
}

/// Answers 304 where the client has what it asks for already.
pub(super) fn unless_known(
    headers: &HeaderMap,
    index: Index,
    body: impl FnOnce() -> Response,
) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known = known.is_some_and(|tags| {
        tags.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == "*" || parse(tag) == Some(index))
    });
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => body(),
    };
    response.headers_mut().insert(header::ETAG, etag(index));
    response
}
