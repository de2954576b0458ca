//! What is kept of a request from its header to its last byte. Small and boxed: pingora moves it.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;

use super::client::Client;
use super::connection::Connection;
use super::pick::Placement;
use super::reject::Rejection;
use super::route::Route;
use super::service::Upstreams;
use super::spans::Recording;
use super::trace::Names;
use crate::telemetry::metrics::RouteMetrics;

/// A request's context.
pub type Context = Box<Inner>;

pub struct Inner {
    /// An HTTP/1.1 request's connection.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) begun: Instant,
    /// Known once the request was admitted.
    pub(super) client: Option<Client>,
    pub(super) names: Option<Names>,
    pub(super) route: Option<Arc<Route>>,
    /// Where a request that no route matched is counted.
    unrouted: Option<Arc<RouteMetrics>>,
    /// The request is counted as being served.
    in_flight: bool,
    pub(super) upstreams: Option<Arc<Upstreams>>,
    /// The request has headers that concern the client's connection alone.
    pub(super) has_hop: bool,
    /// The request has headers about where it came from that the proxy does not write.
    pub(super) has_claims: bool,
    /// The request has a `tracestate`.
    pub(super) has_tracestate: bool,
    /// Host as the client wrote it, until it is stamped.
    pub(super) host: Option<HeaderValue>,
    /// It asks to become a WebSocket, which may be silent for long.
    pub(super) wants_websocket: bool,
    /// The affinity key; 0 = none.
    pub(super) key: u64,
    pub(super) placement: Placement,
    /// Its spans, if its trace is taken.
    pub(super) recording: Option<Box<Recording>>,
    pub(super) body_limit: Option<u64>,
    pub(super) body_bytes: u64,
    pub(super) rejection: Option<Rejection>,
}

impl Inner {
    pub(super) fn new(connection: Option<Arc<Connection>>) -> Context {
        Box::new(Self {
            connection,
            begun: Instant::now(),
            client: None,
            names: None,
            route: None,
            unrouted: None,
            in_flight: false,
            upstreams: None,
            has_hop: false,
            wants_websocket: false,
            has_claims: false,
            has_tracestate: false,
            host: None,
            key: 0,
            placement: Placement::default(),
            recording: None,
            body_limit: None,
            body_bytes: 0,
            rejection: None,
        })
    }

    /// Takes the route that matched, and counts the request in.
    pub(super) fn enter(&mut self, route: Arc<Route>) {
        route.metrics.in_flight.inc();
        self.route = Some(route);
        self.in_flight = true;
    }

    /// Counts in a request that no route matched.
    pub(super) fn enter_unrouted(&mut self, unrouted: Arc<RouteMetrics>) {
        unrouted.in_flight.inc();
        self.unrouted = Some(unrouted);
        self.in_flight = true;
    }

    /// Counts the request out, once.
    pub(super) fn leave(&mut self) {
        let metrics = self.route.as_ref().map(|route| &route.metrics).or(self.unrouted.as_ref());
        if let (true, Some(metrics)) = (std::mem::take(&mut self.in_flight), metrics) {
            metrics.in_flight.dec();
        }
    }
}

/// A request that panics never reaches its last phase; it is counted out all the same.
impl Drop for Inner {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn whatever_ends_a_request_counts_it_out_once() {
        let metrics = Metrics::new();
        let unrouted = metrics.route("", "");
        let mut context = Inner::new(None);
        context.enter_unrouted(unrouted.clone());
        assert_eq!(unrouted.in_flight.get(), 1);
        context.leave();
        drop(context);
        assert_eq!(unrouted.in_flight.get(), 0);

        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut context = Inner::new(None);
            context.enter_unrouted(unrouted.clone());
            panic!("as a request might");
        }));
        assert!(panicked.is_err());
        assert_eq!(unrouted.in_flight.get(), 0);
    }
}
