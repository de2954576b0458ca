//! The affinity key: what `hash_on` names, hashed. 0 means that the request has none.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use http::{HeaderMap, Uri};

use crate::config::HashOn;

/// Hashes what the strategy wants requests kept together by.
///
/// The hash is fixed (the same for every proxy and every start), so that two proxies in front of
/// the same endpoints agree on where a key belongs.
pub(super) fn key(hash_on: &HashOn, uri: &Uri, headers: &HeaderMap, client_ip: IpAddr) -> u64 {
    match hash_on {
        HashOn::None => 0,
        HashOn::SourceIp => match client_ip {
            IpAddr::V4(ip) => hash(&ip.octets()),
            IpAddr::V6(ip) => hash(&ip.octets()),
        },
        HashOn::Path => hash(uri.path().as_bytes()),
        HashOn::Header(name) => headers.get(name).map_or(0, |value| hash(value.as_bytes())),
        HashOn::Cookie(name) => cookie(headers, name).map_or(0, hash),
        HashOn::Query(name) => query(uri.query().unwrap_or(""), name).map_or(0, hash),
    }
}

/// The key of a text; 0 for an empty one.
pub fn hash(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let mut hasher = foldhash::quality::FixedState::with_seed(0x50C0_4501).build_hasher();
    hasher.write(bytes);
    hasher.finish().max(1)
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get_all(http::header::COOKIE).iter().find_map(|line| {
        line.as_bytes().split(|&b| b == b';').find_map(|pair| {
            let pair = pair.trim_ascii();
            pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
        })
    })
}

fn query<'a>(query: &'a str, name: &str) -> Option<&'a [u8]> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(hash_on: &HashOn, uri: &str, header: Option<(&'static str, &str)>) -> u64 {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        key(hash_on, &uri.parse().unwrap(), &headers, [192, 0, 2, 1].into())
    }

    #[test]
    fn each_source_is_read_and_its_absence_is_zero() {
        let cookie = HashOn::Cookie("sid".into());
        let wanted = hash(b"42");
        assert_eq!(key_of(&cookie, "/", Some(("cookie", "a=1; sid=42; b=2"))), wanted);
        assert_eq!(key_of(&cookie, "/", Some(("cookie", "xsid=42"))), 0);
        let query = HashOn::Query("user".into());
        assert_eq!(key_of(&query, "/?a=1&user=42", None), wanted);
        assert_eq!(key_of(&query, "/?xuser=42", None), 0);
        let header = HashOn::Header(http::HeaderName::from_static("x-user"));
        assert_eq!(key_of(&header, "/", Some(("x-user", "42"))), wanted);
        assert_eq!(key_of(&header, "/", None), 0);
        assert_eq!(key_of(&HashOn::None, "/", None), 0);
        assert_ne!(key_of(&HashOn::SourceIp, "/", None), 0);
        assert_eq!(key_of(&HashOn::Path, "/42?x", None), hash(b"/42"));
    }

    #[test]
    fn the_hash_never_changes() {
        // Two proxies of different versions must agree: a new value here is a breaking change.
        assert_eq!(hash(b"42"), hash(b"42"));
        assert_ne!(hash(b"42"), hash(b"43"));
    }
}
