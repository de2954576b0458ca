//! What a JSON Web Token says in one of its claims, for the access log. Its signature is not looked at: whoever
//! decides by it has to.
//!
//! The token comes from a client: it is read within a bound, and one that is no token says nothing.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A token with more claims than that is not read.
const MAX_CLAIMS_BYTES: usize = 8192;

/// The value of a claim, if it is a text or a number.
pub(super) fn claim(authorization: &HeaderValue, name: &str) -> Option<String> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    let mut parts = token.trim_start().split('.');
    let (_header, claims) = (parts.next()?, parts.next()?);
    if !scheme.eq_ignore_ascii_case("bearer") || claims.len() > MAX_CLAIMS_BYTES {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let mut json = serde_json::Deserializer::from_slice(&claims);
    match OneClaim(name).deserialize(&mut json).ok()? {
        Some(Value::String(text)) => Some(text),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// Takes one claim out of an object, and passes over the others.
struct OneClaim<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for OneClaim<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneClaim<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key == self.0 {
                true => found = Some(map.next_value()?),
                false => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(scheme: &str, claims: &str) -> Option<String> {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        claim(&HeaderValue::from_str(&format!("{scheme} e30.{claims}.sig")).unwrap(), "sub")
    }

    #[test]
    fn a_claim_is_found_among_others() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("Bearer", r#"{"iss": {"sub": 1}, "sub": "anna", "x": [1]}"#), some("anna"));
        assert_eq!(of("bearer", r#"{"sub": 42}"#), some("42"));
        assert_eq!(of("Bearer", r#"{"sub": "\u0041\""}"#), some("A\""));
    }

    #[test]
    fn what_is_no_token_says_nothing() {
        let deep = format!("{{\"x\": {}", "[".repeat(5000));
        let deep_sub = format!("{{\"sub\": {}", "[".repeat(5000));
        let huge = format!(r#"{{"sub": "{}"}}"#, "a".repeat(MAX_CLAIMS_BYTES));
        let bad =
            ["", "[]", "{", "{}", "null", r#"{"sub": null}"#, r#"{"sub": {}}"#, r#"{"sub": "a""#];
        for claims in bad.into_iter().chain([&*deep, &*deep_sub, &*huge]) {
            assert_eq!(of("Bearer", claims), None, "{claims:.40}");
        }
        assert_eq!(of("Basic", r#"{"sub": "anna"}"#), None);
        for value in ["", "Bearer", "Bearer ", "Bearer .", "Bearer a.%%%.c", "Bearer a.e30=.c", "é"]
        {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            assert_eq!(claim(&value, "sub"), None, "{value:?}");
        }
    }
}
