//! The handles of one service's endpoints.

use std::sync::Arc;

use prometheus::IntGauge;

use super::families::Families;
use super::series::Lease;

/// How many endpoints of a service take requests.
pub struct ServiceMetrics {
    families: Arc<Families>,
    service: String,
    lease: Lease,
    /// Endpoints that take requests.
    pub endpoints: IntGauge,
    /// 1 while too few are well, and requests go to all.
    pub panicking: IntGauge,
}

impl ServiceMetrics {
    pub(super) fn new(families: Arc<Families>, service: &str, lease: Lease) -> Self {
        let labels = &[service];
        Self {
            endpoints: families.endpoints.with_label_values(labels),
            panicking: families.panicking.with_label_values(labels),
            families,
            service: service.to_owned(),
            lease,
        }
    }
}

impl Drop for ServiceMetrics {
    fn drop(&mut self) {
        let Self { families, service, lease, endpoints: _, panicking: _ } = self;
        let labels = &[service.as_str()];
        // A series that is not there any more is what is wanted.
        lease.release(|| {
            let _ = families.endpoints.remove_label_values(labels);
            let _ = families.panicking.remove_label_values(labels);
        });
    }
}
