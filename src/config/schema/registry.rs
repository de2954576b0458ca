//! `[registry]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;

/// The registry of services and their instances.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// Where registrations are kept: `{ file = "/var/lib/proconsul/registry.db" }`, or `"memory"`,
    /// which a restart forgets. Default: `registry.db` in `$STATE_DIRECTORY`, else in `proconsul`
    /// under `$XDG_STATE_HOME`, else under `~/.local/state`. A change takes a restart.
    pub store: Option<RegistryStore>,
    /// How long after its time-to-live lapsed an instance is deregistered. 1s to 24h.
    pub ttl_grace: Time,
    /// Where more than this share of all time-to-lives lapse at once, in percent, the registry
    /// suspects itself and keeps them. 1 to 100; 100 = never.
    #[schemars(range(min = 1, max = 100))]
    pub self_preservation_percent: u32,
    /// Fewer lapsed instances than this are never suspicious.
    #[schemars(range(min = 1, max = 1000000))]
    pub self_preservation_least: u32,
    /// After this time the registry believes what it sees, and what is silent still lapses. 1s to 24h.
    pub self_preservation_limit: Time,
    /// How long an instance that was deregistered may finish its requests. 0s to 1h.
    pub drain_timeout: Time,
    /// Registered services at most. 1 to 10000000.
    #[schemars(range(min = 1, max = 10000000))]
    pub max_services: u32,
    /// Registered instances at most, over all services. 1 to 10000000.
    #[schemars(range(min = 1, max = 10000000))]
    pub max_instances: u32,
    /// Events that are kept. 100 to 1000000.
    #[schemars(range(min = 100, max = 1000000))]
    pub max_events: u32,
    /// Audit records that are kept. 100 to 100000000.
    #[schemars(range(min = 100, max = 100000000))]
    pub max_audit_records: u32,
    /// Webhooks at most. 0 to 100000.
    #[schemars(range(min = 0, max = 100000))]
    pub max_subscriptions: u32,
}

/// Where registrations are kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistryStore {
    /// Nowhere: a restart forgets them.
    Memory,
    /// One SQLite file, relative to the configuration file's directory.
    File(String),
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            store: None,
            ttl_grace: Time::from_secs(60),
            self_preservation_percent: 50,
            self_preservation_least: 5,
            self_preservation_limit: Time::from_secs(3600),
            drain_timeout: Time::from_secs(30),
            max_services: 20_000,
            max_instances: 200_000,
            max_events: 10_000,
            max_audit_records: 100_000,
            max_subscriptions: 1_000,
        }
    }
}
