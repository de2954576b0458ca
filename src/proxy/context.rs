//! What is kept of a request from its header to its last byte. Small and boxed: pingora moves it.

use std::sync::Arc;
use std::time::Instant;

use super::client::Client;
use super::pick::Placement;
use super::reject::Rejection;
use super::route::Route;
use super::service::Upstreams;
use super::trace::Names;

/// A request's context.
pub type Context = Box<Inner>;

pub struct Inner {
    pub(super) begun: Instant,
    /// Known once the request was admitted.
    pub(super) client: Option<Client>,
    pub(super) names: Option<Names>,
    pub(super) route: Option<Arc<Route>>,
    pub(super) upstreams: Option<Arc<Upstreams>>,
    /// The request has headers that concern the client's connection alone.
    pub(super) has_hop: bool,
    /// The request has headers about where it came from that the proxy does not write.
    pub(super) has_claims: bool,
    /// The affinity key; 0 = none.
    pub(super) key: u64,
    pub(super) placement: Placement,
    pub(super) body_limit: Option<u64>,
    pub(super) body_bytes: u64,
    pub(super) rejection: Option<Rejection>,
}

impl Inner {
    pub(super) fn new() -> Context {
        Box::new(Self {
            begun: Instant::now(),
            client: None,
            names: None,
            route: None,
            upstreams: None,
            has_hop: false,
            has_claims: false,
            key: 0,
            placement: Placement::default(),
            body_limit: None,
            body_bytes: 0,
            rejection: None,
        })
    }
}
