//! Changes to headers.

use std::collections::{BTreeMap, BTreeSet};

use http::header::{self, HeaderName, HeaderValue};

use super::check::Check;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{HeaderEdit, HeaderEdits};

/// Headers of one connection or of the message's framing: the proxy's own, on either side.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The `request_headers` and `response_headers` of the table at `at`.
pub fn edits(
    request: schema::HeaderEdit,
    response: schema::HeaderEdit,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> HeaderEdits {
    HeaderEdits {
        request: edit(request, true, &at.key("request_headers"), check),
        response: edit(response, false, &at.key("response_headers"), check),
    }
}

fn edit(
    edit: schema::HeaderEdit,
    request: bool,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> HeaderEdit {
    let schema::HeaderEdit { remove, set, add } = edit;
    let each = remove.iter().enumerate();
    let remove =
        each.filter_map(|(i, name)| header_name(name, false, &at.key("remove").index(i), check));
    HeaderEdit {
        remove: remove.collect(),
        set: pairs(&set, request, &at.key("set"), check),
        add: pairs(&add, false, &at.key("add"), check),
    }
}

/// Names with their values.
pub fn pairs(
    pairs: &BTreeMap<String, String>,
    host_allowed: bool,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for (name, value) in pairs {
        let at = at.key(name);
        let name = header_name(name, host_allowed, &at, check);
        let value = header_value(value, &at, check);
        let (Some(name), Some(value)) = (name, value) else { continue };
        if !seen.insert(name.as_str().to_owned()) {
            check.lacks(&at, "the same header stands here twice, in upper and lower case");
        }
        list.push((name, value));
    }
    list
}

fn header_name(
    text: &str,
    host_allowed: bool,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<HeaderName> {
    let Ok(name) = HeaderName::from_bytes(text.as_bytes()) else {
        check.lacks(at, "is no header name; allowed are letters, digits and `-`");
        return None;
    };
    if RESERVED.contains(&name.as_str()) {
        check.lacks(at, "this header is the proxy's own and cannot be changed");
    } else if name == header::HOST && !host_allowed {
        check.lacks(at, "`Host` cannot be changed so; on requests it can be `set`");
    }
    Some(name)
}

fn header_value(text: &str, at: &KeyPath, check: &mut Check<'_>) -> Option<HeaderValue> {
    match HeaderValue::from_str(text) {
        Ok(mut value) => {
            value.set_sensitive(check.tree.substituted(at));
            Some(value)
        }
        Err(_) => {
            check.wrong(at, "is no header value: it has control characters");
            None
        }
    }
}
