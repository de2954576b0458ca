//! One look over a request's header lines, for everything that the proxy itself reads of them.
//!
//! Looking seven names up by hash costs more than passing over the ten lines that a request has.

use http::{HeaderMap, HeaderValue};

/// What there is of the headers that matter here. A count tells a header that came more than once.
#[derive(Default)]
pub(super) struct Glance<'a> {
    pub host: Line<'a>,
    pub content_length: Line<'a>,
    pub transfer_encoding: Line<'a>,
    pub request_id: Option<&'a HeaderValue>,
    pub traceparent: Option<&'a HeaderValue>,
    pub has_tracestate: bool,
    /// There are headers that concern this connection alone (RFC 9110, section 7.6.1).
    pub has_hop: bool,
    /// It asks to become a WebSocket.
    pub wants_websocket: bool,
    /// There are headers about where the request comes from that are not among those that the
    /// proxy writes itself: `X-Forwarded-Port`, `X-Real-Ip` and their kind.
    pub has_claims: bool,
}

/// Whether a header says where a request comes from, in words that the proxy does not write.
pub(super) fn is_claim(name: &str) -> bool {
    match name.strip_prefix("x-") {
        Some("real-ip") => true,
        Some(rest) => matches!(rest.strip_prefix("forwarded-"), Some(of) if !WRITTEN.contains(&of)),
        None => false,
    }
}

/// What follows `x-forwarded-` in the names of the headers that the proxy writes itself.
const WRITTEN: [&str; 3] = ["for", "host", "proto"];

/// A header's first value, and how many there are.
#[derive(Default, Clone, Copy)]
pub(super) struct Line<'a> {
    pub first: Option<&'a HeaderValue>,
    pub count: usize,
}

impl<'a> Line<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        self.first.get_or_insert(value);
        self.count += 1;
    }
}

impl<'a> Glance<'a> {
    pub(super) fn at(headers: &'a HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "host" => seen.host.add(value),
                "content-length" => seen.content_length.add(value),
                "transfer-encoding" => {
                    seen.transfer_encoding.add(value);
                    seen.has_hop = true;
                }
                "x-request-id" => _ = seen.request_id.get_or_insert(value),
                "traceparent" => _ = seen.traceparent.get_or_insert(value),
                "tracestate" => seen.has_tracestate = true,
                "connection"
                | "keep-alive"
                | "proxy-connection"
                | "proxy-authenticate"
                | "proxy-authorization"
                | "te"
                | "trailer"
                | "http2-settings" => {
                    seen.has_hop = true;
                }
                "upgrade" => {
                    seen.has_hop = true;
                    seen.wants_websocket |= value.as_bytes().eq_ignore_ascii_case(b"websocket");
                }
                other => seen.has_claims |= is_claim(other),
            }
        }
        seen
    }

    /// The body's length as the client says it.
    pub(super) fn body_length(&self) -> Option<u64> {
        self.content_length.first?.to_str().ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_what_the_proxy_does_not_write() {
        for claim in ["x-forwarded-port", "x-forwarded-prefix", "x-forwarded-", "x-real-ip"] {
            assert!(is_claim(claim), "{claim}");
        }
        for other in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"] {
            assert!(!is_claim(other), "{other}");
        }
    }

    #[test]
    fn what_came_twice_is_counted_and_the_first_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "a"), ("accept", "*/*"), ("host", "b"), ("te", "trailers")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let seen = Glance::at(&headers);
        assert_eq!((seen.host.first.unwrap().as_bytes(), seen.host.count), (&b"a"[..], 2));
        assert!(seen.has_hop && seen.body_length().is_none());
    }
}
