//! Choosing the endpoint for a try, and counting the request in and out of it.

use std::sync::Arc;
use std::time::Instant;

use pingora_http::RequestHeader;

use super::client::Client;
use super::host::{host_of, split_port};
use super::reject::Rejection;
use super::service::{Service, Upstreams};
use super::spans::Stopwatch;
use super::traffic;
use crate::balance::{Ask, Choice, EndpointState, RequestFacts, Tried, choose};
use crate::plugin::balancer::Outcome;
use crate::telemetry::clock::coarse_ms;
use crate::telemetry::metrics::TryEnd;

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
    /// The response's header came, or will not come: how the try ended is said once.
    answered: bool,
}

impl Current {
    fn latency_us(&self) -> u32 {
        u32::try_from(self.begun.elapsed().as_micros()).unwrap_or(u32::MAX)
    }
}

/// Whether a status ends the wait for an answer: 101 does, the other 1xx do not (RFC 9110, 15.2).
fn is_final(status: u16) -> bool {
    status >= 200 || status == 101
}

impl Drop for Placement {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Placement {
    /// Picks an endpoint for the next try and counts the request in. The first try began with the
    /// request itself, `begun`: nothing that takes time comes between.
    pub(super) fn pick(
        &mut self,
        service: &Service,
        upstreams: &Upstreams,
        key: u64,
        begun: Instant,
        request: &dyn Fn() -> RequestFacts,
        watch: Option<&Stopwatch>,
    ) -> Result<Choice, Rejection> {
        if let (true, Some(current)) = (std::mem::take(&mut self.again), &mut self.current) {
            current.begun = Instant::now();
            return Ok(Choice { index: current.index, fallback: None });
        }
        self.leave();
        let ask = Ask { key, tried: &self.tried, request };
        let (strategy, spread, set) = (&*service.balancer, &service.spread, &upstreams.set);
        let choice = match watch {
            None => choose(strategy, spread, set, &ask),
            Some(watch) => choose(&watch.on(strategy), spread, set, &ask),
        };
        let Some(choice) = choice else {
            return Err(match self.tried.count() {
                0 => Rejection::NoEndpoint(service.config.name.clone()),
                _ => Rejection::Unreachable(service.config.name.clone()),
            });
        };
        if let Some(miss) = choice.fallback {
            service.balancer.metrics().fell_back(miss.place());
        }
        self.tried.add(choice.index);
        let state = upstreams.set.members()[choice.index].state.clone();
        state.enter();
        let begun = if self.tries() == 1 { begun } else { Instant::now() };
        self.current = Some(Current { index: choice.index, state, begun, answered: false });
        Ok(choice)
    }

    /// A response's header came, with this status. Informational ones (103, say) are no answer yet.
    pub(super) fn answered(&mut self, service: &Service, upstreams: &Upstreams, status: u16) {
        if !is_final(status) {
            return;
        }
        let Some(current) = self.current.as_mut().filter(|current| !current.answered) else {
            return;
        };
        current.answered = true;
        let latency_us = current.latency_us();
        current.state.latency().observe(latency_us, coarse_ms());
        if let Some(metrics) = current.state.metrics() {
            metrics.answered(status, f64::from(latency_us) / 1e6);
        }
        match status {
            502..=504 => traffic::failed(service, upstreams, current.index, false),
            _ => traffic::succeeded(service, upstreams, current.index),
        }
        if service.balancer.wants_feedback() {
            let outcome = if status < 500 { Outcome::Success } else { Outcome::Failure };
            service.balancer.observe(&upstreams.set, current.index, outcome, latency_us);
        }
    }

    /// The endpoint could not be reached: the request is there no more. `refused` = nobody listens.
    pub(super) fn unreachable(&mut self, service: &Service, upstreams: &Upstreams, refused: bool) {
        self.failed(service, upstreams, TryEnd::Connect, refused);
        self.leave();
    }

    /// No answer will come of this try. Nothing is said of one whose header came: it is judged.
    pub(super) fn broke_off(&mut self, service: &Service, upstreams: &Upstreams, late: bool) {
        let end = if late { TryEnd::Timeout } else { TryEnd::Reset };
        self.failed(service, upstreams, end, false);
    }

    fn failed(&mut self, service: &Service, upstreams: &Upstreams, end: TryEnd, refused: bool) {
        let Some(current) = self.current.as_mut().filter(|current| !current.answered) else {
            return;
        };
        current.answered = true;
        let latency_us = current.latency_us();
        current.state.latency().observe_failure(latency_us, coarse_ms());
        if let Some(metrics) = current.state.metrics() {
            metrics.ended(end);
        }
        traffic::failed(service, upstreams, current.index, refused);
        if service.balancer.wants_feedback() {
            let index = current.index;
            service.balancer.observe(&upstreams.set, index, Outcome::Unreachable, latency_us);
        }
    }

    /// A pooled connection was stale: the endpoint itself is not to blame.
    pub(super) fn again(&mut self) {
        self.again = true;
    }

    /// Whether the next try is for the same endpoint.
    pub(super) fn is_again(&self) -> bool {
        self.again && self.current.is_some()
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

/// What of a request a strategy may read.
pub(super) fn facts(header: &RequestHeader, client: Option<Client>) -> RequestFacts {
    RequestFacts {
        method: header.method.clone(),
        path: header.uri.path().to_owned(),
        host: split_port(host_of(header)).0.to_ascii_lowercase(),
        headers: header.headers.clone(),
        client_ip: client.map(|client| client.ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_informational_status_is_no_answer() {
        let answers = [100, 101, 103, 199, 200, 304, 599].map(is_final);
        assert_eq!(answers, [false, true, false, false, true, true, true]);
    }
}
