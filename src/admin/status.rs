//! What the admin API says about the process, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// `GET /-/status`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub version: String,
    pub process_id: u32,
    pub started_unix_seconds: f64,
    /// Plugin contracts that this proxy speaks.
    pub contracts: Vec<String>,
    pub last_reload: ReloadReport,
    /// Addresses by name.
    pub listeners: BTreeMap<String, String>,
    /// Names, in order.
    pub routes: Vec<String>,
    pub services: BTreeMap<String, ServiceStatus>,
    /// For `/v1/routes`.
    #[serde(skip)]
    pub route_table: Vec<RouteStatus>,
    /// For `/v1/strategies`.
    #[serde(skip)]
    pub strategies: Vec<StrategyStatus>,
}

/// How requests find their service, or what else becomes of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RouteStatus {
    pub name: String,
    /// Where it leads; absent for a redirect.
    pub service: Option<String>,
    /// Empty = any.
    pub hosts: Vec<String>,
    /// `exact /x`, `prefix /x` or `regex ^/x$`.
    pub path: String,
    /// Empty = any.
    pub methods: Vec<String>,
    /// Requests that ended.
    pub requests: u64,
    pub requests_in_flight: i64,
    /// Connections to an endpoint that could not be made.
    pub connect_failures: u64,
}

/// What decides where requests go.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StrategyStatus {
    pub name: String,
    /// A file, or `built-in` and a name.
    pub source: String,
    /// What of a request makes its affinity key.
    pub hash_on: String,
    /// The services that use it.
    pub services: Vec<String>,
}

/// What a plugin did for a service since it began.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct PluginCounters {
    /// Picks asked for.
    pub picks: u64,
    /// Of those, what the native fallback picked instead.
    pub fallbacks: u64,
    /// Calls that ended in a trap.
    pub traps: u64,
    /// Log lines above the limit.
    pub log_lines_dropped: u64,
}

/// How the newest configuration was received.
#[derive(Debug, Clone, Serialize)]
pub struct ReloadReport {
    pub result: ReloadResult,
    /// `start`, `file change`, `SIGHUP` or `POST /-/reload`.
    pub cause: String,
    pub unix_seconds: f64,
    pub took_ms: f64,
    /// Why it was refused.
    pub reasons: Vec<String>,
    /// Doubts that stop nothing.
    pub warnings: Vec<String>,
    /// What it changed.
    pub changes: Vec<String>,
    /// What waits for a restart.
    pub needs_restart: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    Applied,
    Refused,
}

#[derive(Debug, Clone, Serialize)]
pub struct ServiceStatus {
    pub strategy: String,
    pub plugin: PluginStatus,
    /// For `/v1/plugins`.
    #[serde(skip)]
    pub counters: PluginCounters,
    pub endpoints: Vec<EndpointStatus>,
    /// Too few instances are well: requests go to all of them.
    pub panicking: bool,
    /// Hosts of its endpoints that are names.
    pub names: BTreeMap<String, NameStatus>,
}

/// How it stands with a name. One that cannot be resolved keeps the addresses that it had.
#[derive(Debug, Clone, Serialize)]
pub struct NameStatus {
    pub addresses: usize,
    /// Since the last good answer; `null` = there was none.
    pub age_seconds: Option<u64>,
    /// Why the newest lookup failed; `null` = it did not.
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PluginStatus {
    /// A file, or `built-in` and a name.
    pub source: String,
    pub sha256: String,
    /// Instances that are ready to pick.
    pub slots: usize,
    pub memory_bytes: u64,
    /// It rests after repeated failures; the fallback picks.
    pub tripped: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct EndpointStatus {
    pub id: String,
    pub address: String,
    pub weight: u32,
    pub zone: String,
    pub region: String,
    pub eligible: bool,
    pub requests_in_flight: u32,
    /// 0 = no sample yet.
    pub latency_us: u32,
}
