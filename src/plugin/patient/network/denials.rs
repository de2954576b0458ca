//! What a component tried and must not: counted each time, and logged as often as it may log itself.

use std::fmt::Display;
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::super::log_gate::{LogGate, tame};
use super::super::owner::{Counters, Owner};
use crate::telemetry::clock::coarse_ms;

/// Where the refused attempts of one component go.
#[derive(Clone)]
pub struct Denials {
    /// Whose component it is.
    pub owner: Owner,
    /// Of the attempts that are logged.
    pub gate: Arc<Mutex<LogGate>>,
    /// `None` while a component is tried before it serves: it is to be refused everything then.
    pub counters: Option<Counters>,
}

impl Denials {
    /// Notes an attempt to reach `address`; `instance` is the one under check, if any.
    pub fn note(&self, instance: Option<&str>, address: &dyn Display, reason: &str) {
        let Some(counters) = &self.counters else { return };
        counters.connections_denied.inc();
        if self.gate.lock().admit(coarse_ms()) {
            let (check, channel) = (self.owner.check(), self.owner.channel());
            let address = tame(&address.to_string());
            tracing::warn!(target: "plugin", check, channel, instance, address, reason, "connection denied");
        } else {
            counters.log_lines_dropped.inc();
        }
    }
}
