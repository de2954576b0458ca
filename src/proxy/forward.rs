//! A request as its upstream sees it: with the route's path, and what the configuration edits.

use pingora_core::Result;
use pingora_http::RequestHeader;

use super::edit;
use super::rewrite::rewrite;
use super::route::Route;
use crate::config::{self, RouteAction};

/// Makes the upstream's request of the client's, which is [stamped](super::stamp) already.
/// What was stamped is there: a `Connection` that names any of it is not [admitted](super::admit).
pub(super) fn prepare(
    request: &mut RequestHeader,
    route: &Route,
    service: &config::Service,
) -> Result<()> {
    if let RouteAction::Forward { rewrite: rule, .. } = &route.config.action {
        let pattern = &route.config.matcher.path;
        if let Some(path) = rewrite(rule, pattern, request.uri.path(), request.uri.query()) {
            request.set_raw_path(path.as_bytes())?;
        }
    }
    edit::request(&service.headers.request, request)?;
    edit::request(&route.config.headers.request, request)
}
