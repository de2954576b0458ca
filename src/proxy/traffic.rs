//! What real requests meet at an endpoint, told to the health loop: the passive side of checking.
//!
//! An endpoint that refuses connections, or fails too often in a row, takes no more requests from this
//! moment on, before anybody else hears of it. Whether it is well again is the health loop's to say.

use super::service::{Service, Upstreams};
use crate::health::{Traffic, TrafficReport};
use crate::model::InstanceKey;

/// A try failed. `refused` = nobody listens there.
pub(super) fn failed(service: &Service, upstreams: &Upstreams, index: usize, refused: bool) {
    let health = &service.config.health;
    if !health.passive {
        return;
    }
    let state = &upstreams.set.members()[index].state;
    let failures = state.failed();
    let what = if refused { Traffic::Refused } else { Traffic::Failed };
    let heard = report(service, upstreams, index, what);
    // Only where somebody will call it back.
    if heard && (refused || failures >= health.passive_failures) {
        state.set_eligible(false);
    }
}

/// A try went well. All but the first after failures cost one read.
pub(super) fn succeeded(service: &Service, upstreams: &Upstreams, index: usize) {
    if service.config.health.passive && upstreams.set.members()[index].state.succeeded() {
        report(service, upstreams, index, Traffic::Recovered);
    }
}

/// Whether the report was taken.
fn report(service: &Service, upstreams: &Upstreams, index: usize, what: Traffic) -> bool {
    let Some(background) = upstreams.background(index) else { return false };
    let InstanceKey { service: key, id } = background.subject.clone();
    service.traffic.report(TrafficReport { service: key, instance: id, what })
}
