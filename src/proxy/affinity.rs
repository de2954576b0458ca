//! The affinity key: what `hash_on` names, hashed. 0 means that the request has none.

use std::net::IpAddr;

use http::{HeaderMap, Uri};

use crate::config::HashOn;

/// Hashes what the strategy wants requests kept together by.
///
/// The hash is fixed (the same for every proxy, start and version), so that two proxies in front of
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
///
/// Ours, as no library promises that its hash stays as it is: the length, then each eight bytes in
/// little-endian order (the last filled up with zeros), are mixed into what came before. Not for
/// adversaries: a client that chooses its key may choose its endpoint anyhow.
pub fn hash(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = mix(bytes.len() as u64);
    for word in words {
        hash = mix(hash ^ u64::from_le_bytes(*word));
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        hash = mix(hash ^ u64::from_le_bytes(word));
    }
    hash.max(1)
}

/// Spreads every bit over all, one to one: the finaliser of SplitMix64 (Steele, Lea, Flood, "Fast
/// splittable pseudorandom number generators", OOPSLA 2014).
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
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
        for (text, wanted) in [
            (&b"42"[..], 0xb395_703e_a54c_1ff9),
            (&b"42\0"[..], 0x0f67_18d2_4bb9_a8a4),
            (&b"12345678"[..], 0x63dc_20aa_3615_a0c8),
            (&b"session-0123456789abcdef"[..], 0x29f6_6f02_5c32_089b),
            (&[192, 0, 2, 1], 0x7aff_83e6_74bc_0255),
            (b"", 0),
        ] {
            assert_eq!(hash(text), wanted, "{:?}", text.escape_ascii().to_string());
        }
    }
}
