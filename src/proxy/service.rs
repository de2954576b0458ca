//! A service as it serves: its endpoints of the moment, and who chooses among them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::upstreams::peer::HttpPeer;

use super::peer::{PeerError, PeerTemplate};
use crate::balance::{EndpointSet, Member, Spread};
use crate::config;
use crate::plugin::balancer::Balancer;

/// One service. A reload that changes it publishes another, which takes over what is known.
pub struct Service {
    pub config: Arc<config::Service>,
    pub balancer: Arc<Balancer>,
    pub spread: Arc<Spread>,
    template: PeerTemplate,
    upstreams: ArcSwap<Upstreams>,
}

/// The endpoints of a service at one moment, and how to reach each of them.
pub struct Upstreams {
    pub set: Arc<EndpointSet>,
    peers: Vec<HttpPeer>,
}

impl Upstreams {
    /// How to reach the member at `index`.
    pub fn peer(&self, index: usize) -> &HttpPeer {
        &self.peers[index]
    }
}

impl Service {
    /// A service whose certificates are readable.
    pub fn new(
        config: Arc<config::Service>,
        balancer: Arc<Balancer>,
        spread: Arc<Spread>,
        set: Arc<EndpointSet>,
    ) -> Result<Self, PeerError> {
        let template = PeerTemplate::new(&config)?;
        let upstreams = ArcSwap::from_pointee(upstreams(&template, set));
        Ok(Self { config, balancer, spread, template, upstreams })
    }

    /// The endpoints right now. A request keeps what it got to its end.
    pub fn upstreams(&self) -> Arc<Upstreams> {
        self.upstreams.load_full()
    }

    /// Publishes other endpoints, then tells the strategy.
    pub fn set_endpoints(&self, set: Arc<EndpointSet>) {
        self.upstreams.store(Arc::new(upstreams(&self.template, set.clone())));
        self.balancer.set_endpoints(set);
    }
}

fn upstreams(template: &PeerTemplate, set: Arc<EndpointSet>) -> Upstreams {
    let peers = set.members().iter().map(|member: &Member| template.peer(member)).collect();
    Upstreams { set, peers }
}
