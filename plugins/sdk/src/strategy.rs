//! What a plugin implements.

use proconsul_algorithms::{self as algorithms, Host, Reported};
use serde::de::DeserializeOwned;

use crate::loads;

pub use crate::bindings::balancer::exports::proconsul::balancer::strategy::Endpoint;
pub use crate::bindings::feedback::exports::proconsul::balancer::feedback::Outcome;

/// A load-balancing strategy. One value serves one slot of one service; it is never entered twice
/// at a time, so plain fields are enough to keep state.
pub trait Strategy: Sized + 'static {
    /// What may stand in the strategy's `config` table in TOML: derive `serde::Deserialize`, with
    /// `#[serde(deny_unknown_fields, default)]` so that a misspelt key is refused and each has a default.
    type Config: DeserializeOwned;

    /// Makes the strategy. Off the request path; an error refuses the configuration with this message, so name
    /// the key, what it has and what it may have.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Takes the endpoints that may be picked, in place of those before. Never empty. Off the
    /// request path: compute here what `pick` needs. An error keeps this slot out of service.
    fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String>;

    /// Picks an endpoint by its index in the last list; none = let the proxy's fallback pick.
    ///
    /// **On the request path**: aim below a microsecond, and neither allocate nor log. `key` is the
    /// request's affinity key, 0 = none. `attempt` counts the tries of one request from 0; an
    /// endpoint that was tried already counts as no answer.
    fn pick(&mut self, key: u64, attempt: u32) -> Option<u32>;
}

/// Optional: hears how each try ended. Exported by `export!(Mine, feedback)`.
pub trait Feedback: Strategy {
    /// `index` is what `pick` gave; `latency_us` is the time to the response's header. May come
    /// on another slot than the one that picked, or not at all.
    fn observe(&mut self, index: u32, outcome: Outcome, latency_us: u32);
}

/// Optional: carries state over a reload. Exported by `export!(Mine, handover)`.
pub trait Handover: Strategy {
    /// The state to carry, 1 MiB at most.
    fn snapshot(&mut self) -> Vec<u8>;

    /// Takes what an older instance's `snapshot` gave, after `new` and `set_endpoints`. It may be from
    /// another version of the plugin: check it. On an error the strategy is made again.
    fn restore(&mut self, state: Vec<u8>) -> Result<(), String>;
}

/// The `Config` of a strategy that has nothing to configure: any key is refused.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConfig;

impl<'de> serde::Deserialize<'de> for NoConfig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nothing;

        impl<'de> serde::de::Visitor<'de> for Nothing {
            type Value = NoConfig;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an empty table")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<NoConfig, A::Error> {
                match map.next_key::<String>()? {
                    Some(key) => Err(serde::de::Error::unknown_field(&key, &[])),
                    None => Ok(NoConfig),
                }
            }
        }

        deserializer.deserialize_map(Nothing)
    }
}

/// The [`loads`] of the proxy, as [`algorithms`] ask for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loads;

impl Host for Loads {
    fn active(&self, index: u32) -> u32 {
        loads::active(index)
    }

    fn active_all(&self, into: &mut Vec<u32>) {
        *into = loads::active_all();
    }

    fn latency_us(&self, index: u32) -> u32 {
        loads::latency_us(index)
    }

    fn reported(&self, index: u32) -> Reported {
        let loads::ReportedLoad { cpu, memory } = loads::reported(index);
        Reported { cpu, memory }
    }
}

/// The endpoints as [`algorithms`] take them.
pub fn view(endpoints: &[Endpoint]) -> Vec<algorithms::Endpoint<'_>> {
    fn one(endpoint: &Endpoint) -> algorithms::Endpoint<'_> {
        let Endpoint { id, address, weight, zone, region, metadata: _ } = endpoint;
        algorithms::Endpoint { id, address, weight: *weight, zone, region }
    }
    endpoints.iter().map(one).collect()
}
