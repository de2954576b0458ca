//! The handles of one route's requests.

use std::sync::{Arc, OnceLock};

use prometheus::{Histogram, IntCounter, IntGauge};

use super::by_word::ByWord;
use super::families::Families;
use super::series::Lease;

/// The hundred that a status belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusClass(usize);

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

impl StatusClass {
    /// The class of a status; 0, for a client that left before it got one, is `none`.
    pub fn of(status: u16) -> Self {
        let hundred = usize::from(status / 100);
        Self(if hundred < CLASSES.len() { hundred } else { 0 })
    }
}

/// What may go wrong with a request: what the proxy answers itself, by the words of the access log, and
/// what the upstream and the client do.
const ERRORS: [&str; 15] = [
    "malformed_request",
    "uri_too_long",
    "headers_too_large",
    "too_many_headers",
    "body_too_large",
    "no_route",
    "no_endpoint",
    "upstream_unreachable",
    "upstream_failed",
    "upstream_timeout",
    "client_timeout",
    "internal_error",
    "upstream_5xx",
    "client_gone",
    OTHER,
];

/// A word that is not in the list: a request is not the place to find that out.
const OTHER: &str = "other";

/// Counts one route's requests. Series for a status class appear with its first request.
pub struct RouteMetrics {
    families: Arc<Families>,
    service: String,
    route: String,
    lease: Lease,
    classes: [OnceLock<(IntCounter, Histogram)>; CLASSES.len()],
    errors: ByWord,
    request_bytes: IntCounter,
    response_bytes: IntCounter,
    retries: IntCounter,
    /// Requests being served.
    pub in_flight: IntGauge,
    /// Connections to an endpoint that could not be made.
    pub connect_failures: IntCounter,
}

impl RouteMetrics {
    pub(super) fn new(families: Arc<Families>, service: &str, route: &str, lease: Lease) -> Self {
        let labels = &[service, route];
        let traffic = &families.traffic;
        Self {
            errors: ByWord::new(&ERRORS),
            request_bytes: traffic.request_bytes.with_label_values(labels),
            response_bytes: traffic.response_bytes.with_label_values(labels),
            retries: traffic.retries.with_label_values(labels),
            in_flight: families.in_flight.with_label_values(labels),
            connect_failures: families.connect_failures.with_label_values(labels),
            families,
            service: service.to_owned(),
            route: route.to_owned(),
            lease,
            classes: Default::default(),
        }
    }

    /// Requests that ended, of every class.
    pub fn requests(&self) -> u64 {
        self.classes.iter().filter_map(OnceLock::get).map(|(requests, _)| requests.get()).sum()
    }

    /// Counts a request that ended, after `seconds`.
    pub fn finished(&self, class: StatusClass, seconds: f64) {
        if !self.families.are_counting() {
            return;
        }
        let (requests, duration) = self.classes[class.0].get_or_init(|| {
            let labels = &[self.service.as_str(), self.route.as_str(), CLASSES[class.0]];
            (
                self.families.requests.with_label_values(labels),
                self.families.request_seconds.with_label_values(labels),
            )
        });
        requests.inc();
        duration.observe(seconds);
    }

    /// Counts what a request moved, in bytes of bodies, and how often it was sent.
    pub fn moved(&self, request_bytes: u64, response_bytes: u64, tries: usize) {
        if !self.families.are_counting() {
            return;
        }
        let counters = [
            (&self.request_bytes, request_bytes),
            (&self.response_bytes, response_bytes),
            (&self.retries, tries.saturating_sub(1) as u64),
        ];
        for (counter, count) in counters.into_iter().filter(|(_, count)| *count > 0) {
            counter.inc_by(count);
        }
    }

    /// Counts a request that went wrong, by the proxy's own word for it.
    pub fn erred(&self, kind: &'static str) {
        if !self.families.are_counting() {
            return;
        }
        let place = ERRORS.iter().position(|known| *known == kind);
        let place = place.unwrap_or(ERRORS.len() - 1);
        let labels = [self.service.as_str(), self.route.as_str()];
        self.errors.inc(place, &self.families.traffic.errors, labels);
    }
}

impl Drop for RouteMetrics {
    fn drop(&mut self) {
        let Self { families, service, route, lease, classes, errors, .. } = self;
        let labels = &[service.as_str(), route.as_str()];
        let traffic = &families.traffic;
        // A series that is not there any more is what is wanted.
        lease.release(|| {
            let _ = families.in_flight.remove_label_values(labels);
            let _ = families.connect_failures.remove_label_values(labels);
            for family in [&traffic.request_bytes, &traffic.response_bytes, &traffic.retries] {
                let _ = family.remove_label_values(labels);
            }
            errors.remove(&traffic.errors, *labels);
            for (class, _) in CLASSES.iter().zip(classes).filter(|(_, c)| c.get().is_some()) {
                let labels = &[service.as_str(), route.as_str(), class];
                let _ = families.requests.remove_label_values(labels);
                let _ = families.request_seconds.remove_label_values(labels);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_of_its_hundred_and_what_is_none_of_no_class() {
        let class = |status| CLASSES[StatusClass::of(status).0];
        let found = [0, 99, 100, 204, 302, 404, 500, 599, 600, u16::MAX].map(class);
        let expected = ["none", "none", "1xx", "2xx", "3xx", "4xx", "5xx", "5xx", "none", "none"];
        assert_eq!(found, expected);
    }
}
