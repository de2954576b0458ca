//! The host that a request is for.

use http::header;
use pingora_http::RequestHeader;

/// The host that a request is for, as the client wrote it; empty when it named none.
pub(super) fn host_of(header: &RequestHeader) -> &str {
    match header.uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            header.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
        }
    }
}

/// A host as routes compare it.
pub(super) fn bare_host(host: &str) -> String {
    let host = split_port(host).0;
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Host and port of an authority; brackets stay with an IPv6 address.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match memchr::memrchr2(b':', b']', authority.as_bytes()) {
        Some(at) if authority.as_bytes()[at] == b':' => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    }
}
