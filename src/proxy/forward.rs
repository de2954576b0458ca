//! A request as its upstream sees it: with the route's path, and what the configuration edits.

use pingora_core::Result;
use pingora_http::RequestHeader;

use super::edit;
use super::rewrite::rewrite;
use super::route::Route;
use super::trace::{Names, REQUEST_ID, TRACEPARENT};
use crate::config::{self, RouteAction};

/// Makes the upstream's request of the client's, which is [stamped](super::stamp) already.
/// `may_be_taken` are the request's names if it has a `Connection` header.
pub(super) fn prepare(
    request: &mut RequestHeader,
    may_be_taken: Option<&Names>,
    route: &Route,
    service: &config::Service,
) -> Result<()> {
    if let RouteAction::Forward { rewrite: rule, .. } = &route.config.action {
        let pattern = &route.config.matcher.path;
        if let Some(path) = rewrite(rule, pattern, request.uri.path(), request.uri.query()) {
            request.set_raw_path(path.as_bytes())?;
        }
    }
    // A client may name any header in `Connection` to have it taken out; not these.
    if let Some(names) = may_be_taken {
        for (name, value) in [(REQUEST_ID, &names.request_id), (TRACEPARENT, &names.traceparent)] {
            if !request.headers.contains_key(&name) {
                request.insert_header(name, value.clone())?;
            }
        }
    }
    edit::request(&service.headers.request, request)?;
    edit::request(&route.config.headers.request, request)
}
