//! Whose component it is: for its lines in the log, and its counters.

use std::sync::Arc;

use prometheus::{IntCounter, IntGauge};

/// A check, or a channel, by its name.
#[derive(Debug, Clone)]
pub enum Owner {
    Check(Arc<str>),
    Channel(Arc<str>),
}

impl Owner {
    /// The check's name, if it is one.
    pub fn check(&self) -> Option<&str> {
        match self {
            Owner::Check(name) => Some(name),
            Owner::Channel(_) => None,
        }
    }

    /// The channel's name, if it is one.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Owner::Check(_) => None,
            Owner::Channel(name) => Some(name),
        }
    }
}

/// What every component with a network is counted by.
#[derive(Clone)]
pub struct Counters {
    /// Attempts to reach what it must not.
    pub connections_denied: IntCounter,
    /// Log lines above the limit.
    pub log_lines_dropped: IntCounter,
    /// Linear memory of all instances.
    pub memory_bytes: IntGauge,
}
