//! Choosing the endpoint for a try, and counting the request in and out of it.

use std::sync::Arc;
use std::time::Instant;

use super::reject::Rejection;
use super::service::{Service, Upstreams};
use crate::balance::{Ask, EndpointState, RequestFacts, Tried, choose};
use crate::plugin::balancer::Outcome;
use crate::telemetry::clock::coarse_ms;

/// Where a request is, and where it was.
#[derive(Default)]
pub(super) struct Placement {
    tried: Tried,
    current: Option<Current>,
    /// The next try is for the same endpoint: only the connection was at fault.
    again: bool,
    /// Connections that could not be made.
    pub(super) connect_failures: u32,
}

struct Current {
    index: usize,
    state: Arc<EndpointState>,
    begun: Instant,
    /// The response's header came.
    answered: bool,
}

impl Drop for Placement {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Placement {
    /// Picks an endpoint for the next try and counts the request in.
    pub(super) fn pick(
        &mut self,
        service: &Service,
        upstreams: &Upstreams,
        key: u64,
        request: &dyn Fn() -> RequestFacts,
    ) -> Result<usize, Rejection> {
        if let (true, Some(current)) = (std::mem::take(&mut self.again), &mut self.current) {
            current.begun = Instant::now();
            return Ok(current.index);
        }
        self.leave();
        let ask = Ask { key, tried: &self.tried, request };
        let choice = choose(&*service.balancer, &service.spread, &upstreams.set, &ask);
        let Some(choice) = choice else {
            return Err(match self.tried.count() {
                0 => Rejection::NoEndpoint(service.config.name.clone()),
                _ => Rejection::Unreachable(service.config.name.clone()),
            });
        };
        if let Some(miss) = choice.fallback {
            service.balancer.metrics().fell_back(miss.as_str());
        }
        self.tried.add(choice.index);
        let state = upstreams.set.members()[choice.index].state.clone();
        state.enter();
        let begun = Instant::now();
        self.current = Some(Current { index: choice.index, state, begun, answered: false });
        Ok(choice.index)
    }

    /// The response's header came, with this status.
    pub(super) fn answered(&mut self, service: &Service, upstreams: &Upstreams, status: u16) {
        let Some(current) = self.current.as_mut().filter(|current| !current.answered) else {
            return;
        };
        current.answered = true;
        let latency_us = u32::try_from(current.begun.elapsed().as_micros()).unwrap_or(u32::MAX);
        current.state.latency().observe(latency_us, coarse_ms());
        if service.balancer.wants_feedback() {
            let outcome = if status < 500 { Outcome::Success } else { Outcome::Failure };
            service.balancer.observe(&upstreams.set, current.index, outcome, latency_us);
        }
    }

    /// The endpoint could not be reached, or broke off before its header came.
    pub(super) fn unreachable(&mut self, service: &Service, upstreams: &Upstreams) {
        let Some(current) = self.current.as_ref().filter(|current| !current.answered) else {
            return;
        };
        if service.balancer.wants_feedback() {
            let latency_us = u32::try_from(current.begun.elapsed().as_micros()).unwrap_or(u32::MAX);
            let index = current.index;
            service.balancer.observe(&upstreams.set, index, Outcome::Unreachable, latency_us);
        }
        self.leave();
    }

    /// A pooled connection was stale: the endpoint itself is not to blame.
    pub(super) fn again(&mut self) {
        self.again = true;
    }

    /// Counts the request out of where it is.
    pub(super) fn leave(&mut self) {
        if let Some(current) = self.current.take() {
            current.state.leave();
        }
    }

    /// Where the request is, as an index into its set.
    pub(super) fn index(&self) -> Option<usize> {
        self.current.as_ref().map(|current| current.index)
    }

    /// Endpoints that it was sent to.
    pub(super) fn tries(&self) -> usize {
        self.tried.count()
    }
}
