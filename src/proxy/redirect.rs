//! Answering with a redirect, and where it points to.

use http::header;
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::edit;
use super::host::{host_of, split_port};
use crate::config::{HeaderEdit, Redirect};

/// Answers a request that came by `scheme` with a redirect, edited as its route says.
pub(super) async fn redirect(
    session: &mut Session,
    rule: &Redirect,
    scheme: &str,
    edits: &HeaderEdit,
) -> Result<()> {
    let header = session.req_header();
    let path = String::from_utf8_lossy(header.raw_path());
    let location = location(rule, scheme, host_of(header), &path);
    let mut response = ResponseHeader::build(rule.status, Some(3))?;
    response.insert_header(header::LOCATION, location)?;
    response.insert_header(header::CONTENT_LENGTH, 0)?;
    edit::response(edits, &mut response)?;
    session.write_response_header(Box::new(response), true).await
}

/// The `Location` for a request to `scheme://host` `path_and_query`. `host` is as the client wrote
/// it, with its port if it named one.
fn location(rule: &Redirect, scheme: &str, host: &str, path_and_query: &str) -> String {
    let Redirect { status: _, scheme: new_scheme, host: new_host, port, path } = rule;
    let scheme = new_scheme.as_deref().unwrap_or(scheme);
    let (bare_host, _) = split_port(host);
    // A port that the client named belongs to the scheme and host that it named.
    let authority = match (new_host, port) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.clone(),
        (None, Some(port)) => format!("{bare_host}:{port}"),
        (None, None) if new_scheme.is_some() => bare_host.to_owned(),
        (None, None) => host.to_owned(),
    };
    let path = match path {
        Some(path) => match path_and_query.split_once('?') {
            Some((_, query)) if !path.contains('?') => format!("{path}?{query}"),
            _ => path.clone(),
        },
        None => path_and_query.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Redirect =
        Redirect { status: 308, scheme: None, host: None, port: None, path: None };

    #[test]
    fn what_is_not_named_stays() {
        let to_https = Redirect { scheme: Some("https".into()), ..KEEP };
        assert_eq!(location(&to_https, "http", "a.example:8080", "/x?y"), "https://a.example/x?y");
        let to_port = Redirect { port: Some(81), ..KEEP };
        assert_eq!(location(&to_port, "http", "[::1]:80", "/"), "http://[::1]:81/");
        let to_path = Redirect { path: Some("/new".into()), ..KEEP };
        assert_eq!(location(&to_path, "http", "a:1", "/old?q=1"), "http://a:1/new?q=1");
    }
}
