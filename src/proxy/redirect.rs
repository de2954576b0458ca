//! Where a redirect points to.

use crate::config::Redirect;

/// The `Location` for a request to `scheme://host` `path_and_query`. `host` is as the client wrote
/// it, with its port if it named one.
pub(super) fn location(rule: &Redirect, scheme: &str, host: &str, path_and_query: &str) -> String {
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

/// Host and port of an authority; brackets stay with an IPv6 address.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match memchr::memrchr2(b':', b']', authority.as_bytes()) {
        Some(at) if authority.as_bytes()[at] == b':' => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    }
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
