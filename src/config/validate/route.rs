//! `[[routes]]`: names and actions. What they match is `matcher`'s, what becomes of the path
//! `rewrite`'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::{Check, DAY, HOUR, MILLISECOND};
use super::headers::edits;
use super::matcher::{Paths, matcher, starts_with_slash};
use super::network::host_pattern;
use super::rewrite::rewrite;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::{HostPattern, Redirect, Rewrite, Route, RouteAction, RouteTimeouts};
use crate::model::{RouteName, ServiceName};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

pub fn routes(routes: Vec<schema::Route>, at: &KeyPath, check: &mut Check<'_>) -> Vec<Arc<Route>> {
    let names = names(&routes, at, check);
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let mut list = Vec::new();
    for (i, (written, name)) in routes.into_iter().zip(names).enumerate() {
        let here = at.index(i);
        let Some(route) = route(written, &name, &here, check) else { continue };
        // Regular expressions compare by their text, which is what `Debug` shows.
        let first = *taken.entry(format!("{:?}", route.matcher)).or_insert(i);
        if first != i {
            let first = check.tree.locate(&at.index(first)).place;
            check.doubt(&here, &format!("is never taken: the route at {first} matches the same"));
        }
        list.push(Arc::new(route));
    }
    list
}

/// Given names, and for the others the service's name with a number from the second on. A route
/// so keeps its name when one to another service is added before it.
fn names(routes: &[schema::Route], at: &KeyPath, check: &mut Check<'_>) -> Vec<String> {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for (i, name) in routes.iter().enumerate().filter_map(|(i, r)| Some((i, r.name.clone()?))) {
        if let Some(first) = taken.get(&name) {
            let first = check.tree.locate(&at.index(*first)).place;
            check.wrong(
                &at.index(i).key("name"),
                &format!("is already the route's name at {first}"),
            );
        } else {
            taken.insert(name, i);
        }
    }
    // Counted on from the last one: searching from 1 each time would take ever longer.
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let generated = routes.iter().enumerate().map(|(i, route)| {
        let base = route.service.as_deref().unwrap_or("redirect");
        let name = route.name.clone().unwrap_or_else(|| {
            let last = last.entry(base).or_default();
            loop {
                *last += 1;
                let name = if *last == 1 { base.to_owned() } else { format!("{base}-{last}") };
                if !taken.contains_key(&name) {
                    break name;
                }
            }
        });
        taken.entry(name.clone()).or_insert(i);
        name
    });
    generated.collect()
}

fn route(route: schema::Route, name: &str, at: &KeyPath, check: &mut Check<'_>) -> Option<Route> {
    let schema::Route {
        name: given,
        service,
        redirect: redirected,
        hosts,
        path,
        path_prefix,
        path_regex,
        methods,
        headers,
        rewrite: rewritten,
        timeouts: times,
        request_headers,
        response_headers,
        max_request_body,
    } = route;
    // A generated name is good where the service's name is; that is reported there.
    let name = match given {
        Some(_) => check.name(&at.key("name"), RouteName::new(name)),
        None => RouteName::new(name).ok(),
    };
    let paths = Paths { path, path_prefix, path_regex };
    let matcher = matcher(hosts, paths, methods, headers, at, check);
    let pattern = matcher.as_ref().map(|matcher| &matcher.path);
    let rewrite = rewritten.map(|written| rewrite(written, pattern, &at.key("rewrite"), check));
    let rewrites = rewrite.is_some();
    let action = match (service, redirected) {
        (Some(service), None) => {
            let rewrite = rewrite.unwrap_or(Some(Rewrite::None));
            service_name(&service, &at.key("service"), check)
                .and_then(|service| Some(RouteAction::Forward { service, rewrite: rewrite? }))
        }
        (None, Some(written)) => {
            if rewrites {
                check.lacks(&at.key("rewrite"), "a redirect has a `path` of its own instead");
            }
            redirect(written, &at.key("redirect"), check).map(RouteAction::Redirect)
        }
        (Some(_), Some(_)) => {
            check.lacks(at, "has both `service` and `redirect`; allowed is one of them");
            None
        }
        (None, None) => {
            if !check.tree.attempted(at, &["service", "redirect"]) {
                check.lacks(at, "has neither `service` nor `redirect`; needed is one of them");
            }
            None
        }
    };
    Some(Route {
        timeouts: timeouts(times, &at.key("timeouts"), check),
        headers: edits(request_headers, response_headers, at, check),
        max_request_body_bytes: max_request_body.map(|size| size.0),
        name: name?,
        matcher: matcher?,
        action: action?,
    })
}

fn service_name(text: &str, at: &KeyPath, check: &mut Check<'_>) -> Option<ServiceName> {
    // What was declared but is broken counts as known: it has its own problem.
    let declared = KeyPath::root("services");
    if check.tree.locate(&declared.key(text)).node.is_some() {
        return ServiceName::new(text).ok();
    }
    check.unknown(at, "is no service", text, check.tree.keys(&declared));
    None
}

fn redirect(redirect: schema::Redirect, at: &KeyPath, check: &mut Check<'_>) -> Option<Redirect> {
    let schema::Redirect { status, scheme, host, port, path } = redirect;
    if !STATUSES.contains(&status) {
        check.refuse(&at.key("status"), "is no redirect", "301, 302, 303, 307, 308");
    }
    if let Some(host) = &host
        && !matches!(host_pattern(host), Some(HostPattern::Exact(_)))
    {
        check.refuse(&at.key("host"), "is no host name", "a name such as `example.com`, no port");
    }
    if port == Some(0) {
        check.refuse(&at.key("port"), "is no port", "1 to 65535");
    }
    if let Some(path) = &path {
        starts_with_slash(path, &at.key("path"), check);
    }
    let same = scheme.is_none() && host.is_none() && port.is_none() && path.is_none();
    if same && !check.tree.attempted(at, &["scheme", "host", "port", "path"]) {
        check.lacks(at, "would lead to itself; give `scheme`, `host`, `port` or `path`");
    }
    let scheme = scheme.map(|scheme| match scheme {
        schema::Scheme::Http => "http".to_owned(),
        schema::Scheme::Https => "https".to_owned(),
    });
    Some(Redirect { status, scheme, host, port, path })
}

fn timeouts(timeouts: schema::RouteTimeouts, at: &KeyPath, check: &mut Check<'_>) -> RouteTimeouts {
    let schema::RouteTimeouts { connect, read, write } = timeouts;
    let mut time = |key, time: Option<_>, max| {
        time.map(|time| check.time(&at.key(key), time, MILLISECOND, max))
    };
    RouteTimeouts {
        connect: time("connect", connect, HOUR),
        read: time("read", read, DAY),
        write: time("write", write, DAY),
    }
}
