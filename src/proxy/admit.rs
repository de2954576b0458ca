//! Which requests are let in: framing that everybody reads the same way, and sizes within limits.
//!
//! Pingora's parser has refused already: a space before a colon, folded lines, a bare CR, unknown
//! versions, lengths that are no numbers or contradict each other. What it lets pass and others
//! read differently (request smuggling; RFC 9112, sections 2.2, 6.1 and 6.3) is refused here.

use http::Version;
use http::header::CONNECTION;
use pingora_http::RequestHeader;

use super::glance::Glance;
use super::reject::Rejection;
use crate::config::ListenerLimits;

/// Checks a request's header. `raw` is the header as it came, empty for HTTP/2. A host that is known
/// was admitted before.
pub(super) fn admit(
    header: &RequestHeader,
    seen: &Glance<'_>,
    raw: &[u8],
    host_is_known: bool,
    limits: &ListenerLimits,
) -> Result<(), Rejection> {
    let uri_bytes = header.raw_path().len();
    if uri_bytes > limits.max_uri_bytes {
        return Err(Rejection::UriTooLong { bytes: uri_bytes, limit: limits.max_uri_bytes });
    }
    if header.headers.len() > limits.max_headers {
        return Err(Rejection::TooManyHeaders {
            count: header.headers.len(),
            limit: limits.max_headers,
        });
    }
    if header.version <= Version::HTTP_11 {
        admit_http1(header, seen, raw, host_is_known, limits)?;
    }
    if has_dot_segments(header.uri.path()) {
        return Err(Rejection::Malformed("the path has `.` or `..` segments"));
    }
    Ok(())
}

fn admit_http1(
    header: &RequestHeader,
    seen: &Glance<'_>,
    raw: &[u8],
    host_is_known: bool,
    limits: &ListenerLimits,
) -> Result<(), Rejection> {
    if raw.len() > limits.max_header_bytes {
        return Err(Rejection::HeadersTooLarge {
            bytes: raw.len(),
            limit: limits.max_header_bytes,
        });
    }
    if has_bare_lf(raw) {
        return Err(Rejection::Malformed("a line ends in LF without CR"));
    }
    if seen.has_hop
        && header.headers.get_all(CONNECTION).iter().any(|value| takes_ours(value.as_bytes()))
    {
        return Err(Rejection::Malformed("Connection names a header that the proxy sets"));
    }
    if let Some(length) = seen.content_length.first
        && (seen.content_length.count > 1 || !length.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return Err(Rejection::Malformed("more than one Content-Length"));
    }
    if let Some(coding) = seen.transfer_encoding.first {
        // Pingora has dropped the length by now; only the bytes still tell.
        if has_content_length(raw) {
            return Err(Rejection::Malformed("both Content-Length and Transfer-Encoding"));
        }
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !chunked || seen.transfer_encoding.count > 1 {
            return Err(Rejection::Malformed("a Transfer-Encoding other than `chunked`"));
        }
    }
    match seen.host.first {
        Some(_) if seen.host.count > 1 => Err(Rejection::Malformed("more than one Host")),
        None if header.version == Version::HTTP_11 => Err(Rejection::Malformed("no Host")),
        Some(_) if host_is_known => Ok(()),
        Some(host) if !host.as_bytes().iter().all(|&byte| IN_HOST[usize::from(byte)]) => {
            Err(Rejection::Malformed("a Host that is no host"))
        }
        _ => Ok(()),
    }
}

/// Letters of a name, an address or a port (RFC 3986, section 3.2.2). Others end the host for some
/// parsers and not for others.
static IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"-._~%!$&'()*+,;=:[]";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a line ends in LF alone. Without a way out of the loop, so that it is done in vectors.
fn has_bare_lf(raw: &[u8]) -> bool {
    let begins_with = raw.first() == Some(&b'\n');
    let rest = raw.get(1..).unwrap_or_default();
    let after_others = raw
        .iter()
        .zip(rest)
        .fold(false, |seen, (before, byte)| seen | ((*byte == b'\n') & (*before != b'\r')));
    begins_with | after_others
}

fn has_content_length(raw: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    memchr::memchr_iter(b'\n', raw).any(|at| {
        raw.get(at + 1..at + 1 + NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
    })
}

/// Whether a `Connection` names a header that the upstream is to have from the proxy. Such headers
/// would be taken out on the way (RFC 9110, section 7.6.1), and the upstream would believe that the
/// request came from nowhere.
fn takes_ours(connection: &[u8]) -> bool {
    const OURS: [&[u8]; 3] = [b"forwarded", b"x-request-id", b"traceparent"];
    const OUR_PREFIX: &[u8] = b"x-forwarded-";
    connection.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).any(|name| {
        let prefix = name.get(..OUR_PREFIX.len());
        OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours))
            || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(OUR_PREFIX))
    })
}

/// Whether a path climbs: upstreams resolve `..`, and a route that was matched on the path as it
/// stood would have guarded another one.
fn has_dot_segments(path: &str) -> bool {
    let mut rest = path;
    while let Some(at) = memchr::memchr2(b'.', b'%', rest.as_bytes()) {
        let starts_segment = at > 0 && rest.as_bytes()[at - 1] == b'/';
        let from = &rest[at..];
        if starts_segment && is_dots(from) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Whether the segment that begins here is `.` or `..`, spelt out or escaped.
fn is_dots(from: &str) -> bool {
    let mut segment = from.split('/').next().unwrap_or(from).as_bytes();
    let mut dots = 0;
    while !segment.is_empty() {
        segment = match segment {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return false,
        };
        dots += 1;
    }
    dots <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_climbs_is_seen() {
        for bad in ["/..", "/a/../b", "/./a", "/a/.", "/%2e%2e/x", "/a/.%2E", "/x.y/.."] {
            assert!(has_dot_segments(bad), "{bad}");
        }
        for good in ["/", "/a.b", "/...", "/.well-known/x", "/a%2fb", "/..a", "/%2ehidden"] {
            assert!(!has_dot_segments(good), "{good}");
        }
    }

    #[test]
    fn a_connection_may_not_name_what_the_proxy_sets() {
        for bad in ["Forwarded", "close, x-forwarded-FOR", "X-Request-Id,close", "a,\ttraceparent "]
        {
            assert!(takes_ours(bad.as_bytes()), "{bad}");
        }
        for good in
            ["close", "keep-alive", "Upgrade, HTTP2-Settings", "x-forwarded", "my-forwarded"]
        {
            assert!(!takes_ours(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn a_line_feed_alone_is_found_anywhere() {
        assert!(!has_bare_lf(b""));
        assert!(!has_bare_lf(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        for bad in [&b"\n"[..], b"\nGET", b"a\n", b"a\r\n\n", b"a\r\r\nb\nc"] {
            assert!(has_bare_lf(bad), "{:?}", bad.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_dropped_length_is_found_in_the_bytes() {
        assert!(has_content_length(b"POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\n"));
        assert!(!has_content_length(b"POST / HTTP/1.1\r\nX: content-length\r\n\r\n"));
    }
}
