//! What a component tried and must not: counted each time, and logged as often as it may log itself.

use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::super::log_gate::{LogGate, tame};
use crate::telemetry::clock::coarse_ms;
use crate::telemetry::metrics::CheckerMetrics;

/// Where the refused attempts of one check's component go.
#[derive(Clone)]
pub struct Denials {
    /// The check's name.
    pub check: Arc<str>,
    /// Of the attempts that are logged.
    pub gate: Arc<Mutex<LogGate>>,
    /// `None` while a component is tried before it serves: it is to be refused everything then.
    pub metrics: Option<Arc<CheckerMetrics>>,
}

impl Denials {
    /// Notes an attempt of the check of `instance` to reach `address`.
    pub fn note(&self, instance: &str, address: &dyn Display, reason: &str) {
        let Some(metrics) = &self.metrics else { return };
        metrics.connections_denied.inc();
        if self.gate.lock().admit(coarse_ms()) {
            let (check, address) = (&*self.check, tame(&address.to_string()));
            tracing::warn!(target: "plugin", check, instance, address, reason, "connection denied");
        } else {
            metrics.log_lines_dropped.inc();
        }
    }
}
