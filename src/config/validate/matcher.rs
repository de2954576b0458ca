//! What a route matches: hosts, path, methods, headers.

use http::{HeaderName, Method};

use super::check::Check;
use super::network::host_pattern;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{
    HeaderMatch, HeaderValueMatch, HostPattern, MethodName, PathPattern, RouteMatch,
};

/// The three ways to say which path; at most one is given.
pub struct Paths {
    pub path: Option<String>,
    pub path_prefix: Option<String>,
    pub path_regex: Option<String>,
}

pub fn matcher(
    hosts: Vec<String>,
    paths: Paths,
    methods: Vec<String>,
    headers: Vec<schema::HeaderMatch>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<RouteMatch> {
    let hosts = hosts_of(&hosts, &at.key("hosts"), check);
    let path = path_of(paths, at, check);
    let mut known = std::collections::BTreeSet::new();
    for (i, text) in methods.iter().enumerate() {
        let at = at.key("methods").index(i);
        match Method::from_bytes(text.as_bytes()) {
            // Methods are case-sensitive: `get` would never match.
            Ok(method) if !text.bytes().any(|b| b.is_ascii_lowercase()) => {
                known.insert(MethodName(method));
            }
            _ => check.refuse(&at, "is no method", "a method in upper case, such as GET"),
        }
    }
    let each = headers.into_iter().enumerate();
    let headers =
        each.filter_map(|(i, written)| header_of(written, &at.key("headers").index(i), check));
    let headers = headers.collect();
    Some(RouteMatch { hosts, path: path?, methods: known, headers })
}

fn hosts_of(texts: &[String], at: &KeyPath, check: &mut Check<'_>) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match host_pattern(text) {
            Some(host) => hosts.push(host),
            None => {
                let allowed = "a name such as `example.com` or `*.example.com`, without a port; \
                               international names as `xn--`; none for any host";
                check.refuse(&at.index(i), "is no host", allowed);
            }
        }
    }
    hosts
}

fn path_of(paths: Paths, at: &KeyPath, check: &mut Check<'_>) -> Option<PathPattern> {
    let Paths { path, path_prefix, path_regex } = paths;
    match (path, path_prefix, path_regex) {
        (None, None, None) => Some(PathPattern::Prefix("/".to_owned())),
        (Some(path), None, None) => {
            starts_with_slash(&path, &at.key("path"), check).then_some(PathPattern::Exact(path))
        }
        (None, Some(prefix), None) => {
            starts_with_slash(&prefix, &at.key("path_prefix"), check).then(|| prefix_of(&prefix))
        }
        (None, None, Some(pattern)) => {
            check.regex(&at.key("path_regex"), &pattern, true).map(PathPattern::Regex)
        }
        _ => {
            let what = "has more than one of `path`, `path_prefix`, `path_regex`";
            check.lacks(at, what);
            None
        }
    }
}

/// By whole segments, so a trailing slash makes no difference.
fn prefix_of(prefix: &str) -> PathPattern {
    let trimmed = prefix.trim_end_matches('/');
    PathPattern::Prefix(if trimmed.is_empty() { "/" } else { trimmed }.to_owned())
}

/// Whether a text can be a path at all; what is wrong with it is reported.
pub fn starts_with_slash(path: &str, at: &KeyPath, check: &mut Check<'_>) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && c != '?' && c != '#';
    let good = path.starts_with('/') && path.chars().all(plain);
    if !good {
        let allowed = "begins with `/`; no query, no spaces, other characters %-encoded";
        check.refuse(at, "is no path", allowed);
    }
    good
}

fn header_of(
    written: schema::HeaderMatch,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<HeaderMatch> {
    let schema::HeaderMatch { name, value, regex, present } = written;
    let name = HeaderName::from_bytes(name.as_bytes()).ok().or_else(|| {
        check.wrong(&at.key("name"), "is no header name");
        None
    });
    let value = match (value, regex, present) {
        (Some(value), None, None) => Some(HeaderValueMatch::Exact(value)),
        (None, Some(pattern), None) => {
            check.regex(&at.key("regex"), &pattern, true).map(HeaderValueMatch::Regex)
        }
        (None, None, Some(true)) => Some(HeaderValueMatch::Present),
        (None, None, Some(false)) => Some(HeaderValueMatch::Absent),
        _ => {
            if !check.tree.attempted(at, &["value", "regex", "present"]) {
                check.lacks(at, "needs exactly one of `value`, `regex`, `present`");
            }
            None
        }
    };
    Some(HeaderMatch { name: name?, value: value? })
}
