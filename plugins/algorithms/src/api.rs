//! The seam between an algorithm and what surrounds it.

use alloc::vec::Vec;

/// One place that a request can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// Stable name: hashing strategies place an endpoint by it, so it must outlive restarts.
    pub id: &'a str,
    /// `host:port`.
    pub address: &'a str,
    /// Relative share of the traffic, 1 to 65535; anything outside is clamped.
    pub weight: u32,
    /// Zone; empty when unknown.
    pub zone: &'a str,
    /// Region; empty when unknown.
    pub region: &'a str,
}

impl Endpoint<'_> {
    /// The largest weight.
    pub const MAX_WEIGHT: u32 = 65_535;

    /// The weight within its bounds.
    pub(crate) fn share(&self) -> u32 {
        self.weight.clamp(1, Self::MAX_WEIGHT)
    }
}

/// What an instance says about its own resources.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    /// Share of its CPU in use, 0 to 1; negative when never reported.
    pub cpu: f32,
    /// Share of its memory in use, 0 to 1; negative when never reported.
    pub memory: f32,
}

impl Reported {
    /// What an instance has said that never said anything.
    pub const NOTHING: Reported = Reported { cpu: -1.0, memory: -1.0 };
}

/// What an algorithm may ask about the endpoints right now.
///
/// An index is a place in the list last given to [`Strategy::set_endpoints`]; one out of range
/// reads as zero. In a plugin each call leaves the sandbox and costs about 50 ns.
pub trait Host {
    /// Requests in flight to this endpoint.
    fn active(&self, index: u32) -> u32;

    /// Requests in flight for every endpoint, in order, in place of what `into` held.
    fn active_all(&self, into: &mut Vec<u32>);

    /// Moving average of the response time, in microseconds; 0 = no sample yet.
    fn latency_us(&self, index: u32) -> u32;

    /// CPU and memory as last reported.
    fn reported(&self, index: u32) -> Reported;
}

/// An algorithm that picks one of several endpoints.
pub trait Strategy {
    /// Replaces the endpoints, keeping what is known about those that stay. May be empty.
    ///
    /// Off the request path: whatever can be computed ahead is computed here.
    fn set_endpoints(&mut self, endpoints: &[Endpoint<'_>]);

    /// Picks one of the endpoints, as an index into the last list; `None` only when there are none.
    ///
    /// `key` is the request's affinity key, 0 = none. `attempt` counts the tries of one request
    /// from 0; a later one tries to name an endpoint that the earlier ones did not, and each
    /// algorithm says how sure that is.
    fn pick<H: Host + ?Sized>(&mut self, key: u64, attempt: u32, host: &H) -> Option<u32>;
}
