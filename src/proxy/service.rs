//! A service as it serves: its endpoints of the moment, and who chooses among them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::upstreams::peer::HttpPeer;

use super::background::{Background, Backgrounds, Notice};
use super::peer::{PeerError, PeerTemplate};
use crate::balance::{EndpointSet, Member, Spread};
use crate::config;
use crate::health::TrafficInbox;
use crate::plugin::balancer::Balancer;

/// One service. A reload that changes it publishes another, which takes over what is known.
pub struct Service {
    pub config: Arc<config::Service>,
    pub balancer: Arc<Balancer>,
    pub spread: Arc<Spread>,
    /// Who hears what requests meet.
    pub traffic: TrafficInbox,
    template: PeerTemplate,
    upstreams: ArcSwap<Upstreams>,
}

/// The endpoints of a service at one moment, and how to reach each of them.
pub struct Upstreams {
    pub set: Arc<EndpointSet>,
    pub backgrounds: Backgrounds,
    /// Some of them have something to tell clients: else no response needs to be looked at.
    has_notices: bool,
    peers: Vec<HttpPeer>,
}

impl Upstreams {
    /// How to reach the member at `index`.
    pub fn peer(&self, index: usize) -> &HttpPeer {
        &self.peers[index]
    }

    /// What is to be known of the member at `index`.
    pub fn background(&self, index: usize) -> Option<&Background> {
        let id = &self.set.members().get(index)?.endpoint.id;
        self.backgrounds.get(id).map(|background| &**background)
    }

    /// What is to be told to clients of the member at `index`.
    pub fn notice(&self, index: usize) -> Option<&Notice> {
        if !self.has_notices {
            return None;
        }
        self.background(index)?.notice.as_ref()
    }
}

impl Service {
    /// A service whose certificates are readable.
    pub fn new(
        config: Arc<config::Service>,
        balancer: Arc<Balancer>,
        spread: Arc<Spread>,
        set: Arc<EndpointSet>,
        backgrounds: Backgrounds,
        traffic: TrafficInbox,
    ) -> Result<Self, PeerError> {
        let template = PeerTemplate::new(&config)?;
        let upstreams = ArcSwap::from_pointee(upstreams(&template, set, backgrounds));
        Ok(Self { config, balancer, spread, traffic, template, upstreams })
    }

    /// The endpoints right now. A request keeps what it got to its end.
    pub fn upstreams(&self) -> Arc<Upstreams> {
        self.upstreams.load_full()
    }

    /// Publishes other endpoints, then tells the strategy, unless it knows them.
    pub fn set_endpoints(&self, set: EndpointSet, backgrounds: Backgrounds) {
        let former = self.upstreams().set.clone();
        let same = former.lists_the_same(&set);
        let set = if same { former } else { Arc::new(set) };
        self.upstreams.store(Arc::new(upstreams(&self.template, set.clone(), backgrounds)));
        if !same {
            self.balancer.set_endpoints(set);
        }
    }
}

fn upstreams(
    template: &PeerTemplate,
    set: Arc<EndpointSet>,
    backgrounds: Backgrounds,
) -> Upstreams {
    let peers = set.members().iter().map(|member: &Member| template.peer(member)).collect();
    let has_notices = backgrounds.values().any(|background| background.notice.is_some());
    Upstreams { set, backgrounds, has_notices, peers }
}
