//! What happens on a client's connection before there is a request.

use prometheus::{Histogram, IntCounter, Registry};

use super::families::add;

/// Counts clients that never got as far as a request.
#[derive(Clone)]
pub struct DoorMetrics {
    /// Connections cut off because the request header did not come in time.
    pub slow_clients: IntCounter,
    /// What came was no request, and was refused.
    pub malformed_requests: IntCounter,
    /// How late the loops are that serve connections.
    pub lag: Histogram,
}

impl DoorMetrics {
    pub(super) fn new(registry: &Registry, lag: Histogram) -> Self {
        Self {
            lag,
            slow_clients: add(
                registry,
                IntCounter::new(
                    "proconsul_http_slow_clients_total",
                    "Connections cut off because the request header did not arrive in time.",
                ),
            ),
            malformed_requests: add(
                registry,
                IntCounter::new(
                    "proconsul_http_malformed_requests_total",
                    "HTTP/1.1 requests that could not be parsed, answered 400 and not counted otherwise.",
                ),
            ),
        }
    }
}
