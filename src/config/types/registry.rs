//! The registry of services, and the health of what is in it.

use std::path::PathBuf;
use std::time::Duration;

/// The registry of services and instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    pub store: RegistryStore,
    /// A critical instance that sends no heart-beat is deregistered this long after its time-to-live
    /// lapsed.
    pub ttl_grace: Duration,
    /// Nothing is made critical, or deregistered, for its heart-beats while more than this share (in
    /// percent) of all time-to-lives lapsed at once.
    pub self_preservation_percent: u32,
    /// Fewer lapsed instances than this are never suspicious.
    pub self_preservation_least: u32,
    /// After this what is silent still lapses after all.
    pub self_preservation_limit: Duration,
    /// A draining instance leaves after this, requests or not.
    pub drain_timeout: Duration,
    pub max_services: usize,
    pub max_instances: usize,
    /// Events and audit records that are kept.
    pub max_events: usize,
    pub max_audit_records: u64,
    pub max_subscriptions: usize,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            store: RegistryStore::Memory,
            ttl_grace: Duration::from_secs(60),
            self_preservation_percent: 50,
            self_preservation_least: 5,
            self_preservation_limit: Duration::from_secs(3600),
            drain_timeout: Duration::from_secs(30),
            max_services: 20_000,
            max_instances: 200_000,
            max_events: 10_000,
            max_audit_records: 100_000,
            max_subscriptions: 1_000,
        }
    }
}

/// Where registrations are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryStore {
    /// Nowhere: a restart forgets them.
    Memory,
    /// In one file.
    Sqlite(PathBuf),
}

/// What holds for the health of every service that does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    /// Below this share of eligible endpoints, in percent, requests go to all of them. 0 = never.
    pub panic_percent: u32,
    /// An endpoint that recovers gets its whole share of the traffic after this. Zero = at once.
    pub slow_start: Duration,
    /// Whether real traffic's results count.
    pub passive: bool,
    /// Failures in a row (connections refused or broken, time-outs, 502 to 504) that take an endpoint out;
    /// a refused connection does at once.
    pub passive_failures: u32,
    /// How long traffic keeps an endpoint out that no check calls back before. Doubles with each time, up to
    /// ten times.
    pub passive_rest: Duration,
    /// Checks in flight, over all services.
    pub max_concurrent: usize,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            panic_percent: 50,
            slow_start: Duration::ZERO,
            passive: true,
            passive_failures: 5,
            passive_rest: Duration::from_secs(10),
            max_concurrent: 4096,
        }
    }
}
