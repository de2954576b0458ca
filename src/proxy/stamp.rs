//! What a request says about itself beside what the client said: where it came from
//! (`X-Forwarded-*`; `Forwarded`, RFC 7239) and what it is called.
//!
//! Stamped once, on the request itself, before pingora copies it for an upstream. Pingora keeps
//! every name's spelling in a second map beside the headers; that map is dropped here, so that six
//! more headers cost less than the copy of the second map did. Names then go upstream in pingora's
//! usual spelling (`Host`, `User-Agent`) or in lower case, as HTTP lets them.

use std::mem;
use std::net::IpAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use pingora_core::Result;
use pingora_http::RequestHeader;

use super::client::Client;
use super::glance::is_claim;
use super::trace::{Names, REQUEST_ID, TRACEPARENT, TRACESTATE};
use crate::telemetry::address_text::AddressText;

const FORWARDED: HeaderName = http::header::FORWARDED;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Headers that a stamp adds at the most.
const MAX_ADDED: usize = 6;

/// How a request came in.
pub(super) struct Origin<'a> {
    pub client: &'a Client,
    pub names: &'a Names,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host as the client wrote it.
    pub host: Option<HeaderValue>,
    /// This hop in words.
    pub described: &'a Described,
    /// There are [other claims](super::glance::is_claim) about where it came from.
    pub has_claims: bool,
    /// There is a `tracestate`.
    pub has_tracestate: bool,
}

/// This hop as headers say it: the same for all requests of a connection for one host.
pub(super) struct Described {
    /// The peer's address.
    peer: HeaderValue,
    /// The `Forwarded` element.
    forwarded: HeaderValue,
}

/// Stamps a request.
pub(super) fn stamp(request: &mut RequestHeader, origin: Origin<'_>) -> Result<()> {
    if origin.has_claims && !origin.client.peer_is_trusted {
        drop_claims(request);
    }
    // A target that the URI cannot give back is kept by pingora beside it, with the spellings.
    if !request.raw_path().starts_with(b"/") || !request.raw_path_is_utf8() {
        let mut headers = request.headers.clone();
        write_headers(&mut headers, origin);
        for name in [TRACESTATE, X_FORWARDED_HOST] {
            if !headers.contains_key(&name) {
                request.remove_header(&name);
            }
        }
        for name in [
            X_FORWARDED_FOR,
            X_FORWARDED_HOST,
            X_FORWARDED_PROTO,
            FORWARDED,
            REQUEST_ID,
            TRACEPARENT,
        ] {
            if let Some(value) = headers.remove(&name) {
                request.insert_header(name, value)?;
            }
        }
        return Ok(());
    }
    let ends = request.send_end_stream();
    let mut parts = Parts::from(mem::replace(request, RequestHeader::from(nothing())));
    parts.headers.reserve(MAX_ADDED);
    write_headers(&mut parts.headers, origin);
    *request = RequestHeader::from(parts);
    if let Some(ends) = ends {
        request.set_send_end_stream(ends);
    }
    Ok(())
}

/// Takes out what a stranger says about where it came from: an upstream that reads it believes that
/// its proxy wrote it.
fn drop_claims(request: &mut RequestHeader) {
    let claims: Vec<HeaderName> =
        request.headers.keys().filter(|name| is_claim(name.as_str())).cloned().collect();
    for name in claims {
        request.remove_header(&name);
    }
}

fn nothing() -> Parts {
    http::Request::new(()).into_parts().0
}

/// Continues what a trusted peer says, and begins anew where a stranger does.
fn write_headers(headers: &mut HeaderMap, origin: Origin<'_>) {
    let Origin { client, names, scheme, host, described, has_claims: _, has_tracestate } = origin;
    let (mut says_proto, mut says_host) = (false, false);
    let (peer, forwarded) = if client.peer_is_trusted {
        says_proto = headers.contains_key(X_FORWARDED_PROTO);
        says_host = headers.contains_key(X_FORWARDED_HOST);
        (
            continued(headers, &X_FORWARDED_FOR, &described.peer),
            continued(headers, &FORWARDED, &described.forwarded),
        )
    } else {
        (described.peer.clone(), described.forwarded.clone())
    };
    headers.insert(X_FORWARDED_FOR, peer);
    headers.insert(FORWARDED, forwarded);
    if !says_proto {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    }
    match host {
        _ if says_host => {}
        Some(host) => _ = headers.insert(X_FORWARDED_HOST, host),
        None => _ = headers.remove(X_FORWARDED_HOST),
    }
    headers.insert(REQUEST_ID, names.request_id.clone());
    if !names.continues_trace {
        headers.insert(TRACEPARENT, names.traceparent.clone());
        if has_tracestate {
            headers.remove(TRACESTATE);
        }
    }
}

impl Described {
    /// The hop from `peer_ip` that asked for `host`, by `scheme`.
    pub(super) fn new(peer_ip: IpAddr, host: Option<&HeaderValue>, scheme: &str) -> Self {
        let mut text = BytesMut::with_capacity(160);
        text.put_slice(AddressText::of_ip(peer_ip).text().as_bytes());
        let peer = text.split();
        text.put_slice(b"for=");
        match peer_ip {
            IpAddr::V4(_) => text.put_slice(&peer),
            IpAddr::V6(_) => {
                text.put_slice(b"\"[");
                text.put_slice(&peer);
                text.put_slice(b"]\"");
            }
        }
        if let Some(host) = host {
            let host = host.as_bytes();
            let is_token = |b: &u8| b.is_ascii_alphanumeric() || *b == b'.' || *b == b'-';
            text.put_slice(b";host=");
            match host.iter().all(is_token) {
                true => text.put_slice(host),
                false => {
                    text.put_u8(b'"');
                    text.extend(host.iter().filter(|b| !matches!(b, b'"' | b'\\')));
                    text.put_u8(b'"');
                }
            }
        }
        text.put_slice(b";proto=");
        text.put_slice(scheme.as_bytes());
        Self { peer: value(peer.freeze()), forwarded: value(text.freeze()) }
    }
}

fn value(text: Bytes) -> HeaderValue {
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

/// The values that are there, and `last` after them.
fn continued(headers: &HeaderMap, name: &HeaderName, last: &HeaderValue) -> HeaderValue {
    let mut list = BytesMut::new();
    for line in headers.get_all(name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(last.as_bytes());
    value(list.freeze())
}

#[cfg(test)]
mod tests {
    use super::super::glance::Glance;
    use super::*;

    fn sent(trusted: bool, target: &[u8], headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", target, None).unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        let ip = "2001:db8::1".parse().unwrap();
        let client = Client { ip, peer_ip: ip, peer_is_trusted: trusted };
        let Glance { has_claims, has_tracestate, .. } = Glance::at(&request.headers);
        let names = Names::of(&Glance::default(), None);
        let host = Some(HeaderValue::from_static("a.example:80"));
        let scheme = "https";
        let described = &Described::new(ip, host.as_ref(), scheme);
        let (client, names) = (&client, &names);
        let origin = Origin { client, names, scheme, host, described, has_claims, has_tracestate };
        stamp(&mut request, origin).unwrap();
        request
    }

    #[test]
    fn a_stranger_cannot_speak_for_others() {
        let said = [
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "ftp"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-prefix", "/admin"),
            ("x-real-ip", "6.6.6.6"),
            ("tracestate", "x"),
        ];
        for target in [&b"/"[..], b"http://a.example:80/", b"/\xff"] {
            let request = sent(false, target, &said);
            assert_eq!(request.headers["x-forwarded-for"], "2001:db8::1");
            assert_eq!(request.headers["x-forwarded-proto"], "https");
            let forwarded = r#"for="[2001:db8::1]";host="a.example:80";proto=https"#;
            assert_eq!(request.headers["forwarded"], forwarded);
            for taken in ["tracestate", "x-forwarded-port", "x-forwarded-prefix", "x-real-ip"] {
                assert!(!request.headers.contains_key(taken), "{taken}");
            }
            assert!(request.headers.contains_key("traceparent"));
            assert_eq!(request.raw_path(), target);
        }
    }

    #[test]
    fn a_trusted_peer_is_continued() {
        let said = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "1"),
        ];
        let request = sent(true, b"/", &said);
        assert_eq!(request.headers["x-forwarded-for"], "1.1.1.1, 2001:db8::1");
        assert_eq!(request.headers["x-forwarded-proto"], "http");
        assert_eq!(request.headers["x-forwarded-port"], "1");
        assert_eq!(request.headers["x-forwarded-host"], "a.example:80");
    }
}
