//! The members of `baggage` (W3C) that are to be attributes. The header itself is passed on as it came.

use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// W3C has nobody keep more than this; what is longer is not read.
const MAX_BYTES: usize = 8192;

/// Longer values are cut.
const MAX_VALUE_CHARACTERS: usize = 256;

/// The first value of each member that is `wanted`.
pub(super) fn members(headers: &HeaderMap, wanted: &[String]) -> Vec<(String, String)> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let lines: Vec<&str> =
        headers.get_all(&BAGGAGE).iter().filter_map(|line| line.to_str().ok()).collect();
    if lines.iter().map(|line| line.len()).sum::<usize>() > MAX_BYTES {
        return Vec::new();
    }
    let mut found: Vec<(String, String)> = Vec::new();
    for member in lines.iter().flat_map(|line| line.split(',')) {
        let pair = member.split(';').next().unwrap_or_default();
        let Some((name, value)) = pair.split_once('=') else { continue };
        let name = name.trim();
        let is_new = found.iter().all(|(known, _)| known != name);
        if is_new && wanted.iter().any(|wanted| wanted == name) {
            let value = percent_decode_str(value.trim()).decode_utf8_lossy();
            found.push((name.to_owned(), value.chars().take(MAX_VALUE_CHARACTERS).collect()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(lines: &[&str]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(BAGGAGE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        members(&headers, &["tenant".to_owned(), "plan".to_owned()])
    }

    #[test]
    fn wanted_members_are_found_decoded_and_bare_of_properties() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            found(&["a=1, tenant = caf%C3%A9;ttl=3 ,plan=", "tenant=second"]),
            [pair("tenant", "café"), pair("plan", "")]
        );
        assert_eq!(found(&["tenant", "=x", ",;,=,tenants=1", "TENANT=1", ""]), []);
    }

    #[test]
    fn what_is_hostile_is_bounded() {
        assert_eq!(found(&[&format!("tenant=a,b={}", "x".repeat(MAX_BYTES))]), []);
        assert_eq!(found(&[&format!("tenant={}", "x".repeat(4096))])[0].1.len(), 256);
        assert_eq!(found(&["tenant=%ff%"])[0].1, "\u{fffd}%");
    }
}
