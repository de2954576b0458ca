//! What a request says to its upstream beside what the client said: where it came from, what it is
//! called, and what the configuration edits.

use std::fmt::Write;
use std::net::IpAddr;

use http::HeaderValue;
use pingora_core::Result;
use pingora_http::RequestHeader;

use super::client::Client;
use super::edit;
use super::rewrite::rewrite;
use super::route::Route;
use super::trace::Names;
use crate::config::{self, RouteAction};

/// How the request came in.
pub(super) struct Origin<'a> {
    pub client: &'a Client,
    pub names: &'a Names,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host as the client wrote it.
    pub host: Option<HeaderValue>,
}

/// Makes the upstream's request of the client's.
pub(super) fn prepare(
    request: &mut RequestHeader,
    origin: &Origin<'_>,
    route: &Route,
    service: &config::Service,
) -> Result<()> {
    if let RouteAction::Forward { rewrite: rule, .. } = &route.config.action {
        let pattern = &route.config.matcher.path;
        if let Some(path) = rewrite(rule, pattern, request.uri.path(), request.uri.query()) {
            request.set_raw_path(path.as_bytes())?;
        }
    }
    add_origin(request, origin)?;
    request.insert_header("X-Request-Id", origin.names.request_id.clone())?;
    if !origin.names.continues_trace {
        request.insert_header("Traceparent", origin.names.traceparent.clone())?;
        request.remove_header("tracestate");
    }
    edit::request(&service.headers.request, request)?;
    edit::request(&route.config.headers.request, request)
}

/// `X-Forwarded-*` and `Forwarded` (RFC 7239): continued from a trusted peer, begun anew otherwise.
fn add_origin(request: &mut RequestHeader, origin: &Origin<'_>) -> Result<()> {
    let Origin { client: Client { peer_ip, peer_is_trusted, .. }, scheme, host, .. } = origin;
    let mut peer = String::with_capacity(40);
    write!(peer, "{peer_ip}").expect("a String takes every write");

    let mut forwarded = String::with_capacity(96);
    match peer_ip {
        IpAddr::V4(_) => write!(forwarded, "for={peer}"),
        IpAddr::V6(_) => write!(forwarded, "for=\"[{peer}]\""),
    }
    .expect("a String takes every write");
    if let Some(host) = host.as_ref().and_then(|host| host.to_str().ok()) {
        match host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') {
            true => forwarded.extend([";host=", host]),
            false => forwarded.extend([";host=\"", &host.replace(['"', '\\'], ""), "\""]),
        }
    }
    forwarded.extend([";proto=", scheme]);

    if *peer_is_trusted {
        continue_list(request, "X-Forwarded-For", peer)?;
        continue_list(request, "Forwarded", forwarded)?;
        set_if_absent(request, "X-Forwarded-Proto", || Some(HeaderValue::from_static(scheme)))?;
        set_if_absent(request, "X-Forwarded-Host", || host.clone())?;
        return Ok(());
    }
    request.insert_header("X-Forwarded-For", value(peer))?;
    request.insert_header("Forwarded", value(forwarded))?;
    request.insert_header("X-Forwarded-Proto", HeaderValue::from_static(scheme))?;
    match host {
        Some(host) => request.insert_header("X-Forwarded-Host", host.clone())?,
        None => _ = request.remove_header("x-forwarded-host"),
    }
    Ok(())
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unknown"))
}

fn continue_list(request: &mut RequestHeader, name: &'static str, last: String) -> Result<()> {
    let mut list = String::new();
    for line in request.headers.get_all(name).iter().filter_map(|line| line.to_str().ok()) {
        list.extend([line, ", "]);
    }
    list.push_str(&last);
    request.insert_header(name, value(list))
}

fn set_if_absent(
    request: &mut RequestHeader,
    name: &'static str,
    make: impl FnOnce() -> Option<HeaderValue>,
) -> Result<()> {
    match make() {
        Some(value) if !request.headers.contains_key(name) => request.insert_header(name, value),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn sent(trusted: bool, headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in headers {
            request.append_header(*name, *value).unwrap();
        }
        let ip = "2001:db8::1".parse().unwrap();
        let client = Client { ip, peer_ip: ip, peer_is_trusted: trusted };
        let names = Names::of(&HeaderMap::new());
        let host = Some(HeaderValue::from_static("a.example:80"));
        let origin = Origin { client: &client, names: &names, scheme: "https", host };
        add_origin(&mut request, &origin).unwrap();
        request
    }

    #[test]
    fn a_stranger_cannot_speak_for_others() {
        let request = sent(false, &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-proto", "ftp")]);
        assert_eq!(request.headers["x-forwarded-for"], "2001:db8::1");
        assert_eq!(request.headers["x-forwarded-proto"], "https");
        let forwarded = r#"for="[2001:db8::1]";host="a.example:80";proto=https"#;
        assert_eq!(request.headers["forwarded"], forwarded);
    }

    #[test]
    fn a_trusted_peer_is_continued() {
        let request = sent(true, &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "http")]);
        assert_eq!(request.headers["x-forwarded-for"], "1.1.1.1, 2001:db8::1");
        assert_eq!(request.headers["x-forwarded-proto"], "http");
        assert_eq!(request.headers["x-forwarded-host"], "a.example:80");
    }
}
