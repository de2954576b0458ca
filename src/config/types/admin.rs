//! The admin listener, and who may use its API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The admin listener: metrics, health, status, reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// `None` switches it off.
    pub address: Option<SocketAddr>,
    pub auth: AdminAuth,
    pub limits: AdminLimits,
}

/// Who may use `/v1`. What stands under `/-/` and `/metrics` asks nobody's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdminAuth {
    /// What a client from a loopback address may do that shows nothing; `None` = nothing.
    pub anonymous: Option<Role>,
    pub tokens: Vec<AdminToken>,
    pub jwt: Option<JwtAuth>,
}

/// What somebody may do; each role may what those before it may, but a registrar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and register, update and deregister instances of the services that its token names.
    Registrar,
    /// Change anything about services and instances.
    Operator,
    /// Everything: reload, audit records, subscriptions of others, backups.
    Admin,
}

/// A long-lived secret, known by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// For audit records.
    pub name: String,
    /// SHA-256 of the token. Tokens are random and long, so that a slow hash would add nothing.
    pub sha256: [u8; 32],
    pub role: Role,
    /// Of a registrar: what it may touch.
    pub services: Vec<ServicePattern>,
}

/// `web`, `team-a/*`, `shop/web-*`: a namespace (default: `default`) and a name, each of which may end
/// in `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePattern {
    pub namespace: String,
    pub name: String,
}

/// Tokens that somebody else signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtAuth {
    /// JSON Web Key Set with the keys that may sign; read again when it changes.
    pub jwks: PathBuf,
    /// One of these must be in `aud`.
    pub audience: Vec<String>,
    /// Must be `iss`; `None` = any.
    pub issuer: Option<String>,
    /// The claim that holds the role.
    pub role_claim: String,
    /// The claim that holds a registrar's services, as a list of patterns.
    pub services_claim: String,
    /// How wrong clocks may be.
    pub leeway: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminLimits {
    /// A larger request is refused with 413.
    pub max_request_bytes: usize,
    /// Requests of one client address in a second; more get 429. 0 = no limit.
    pub requests_per_second: u32,
    /// Clients that watch at the same time.
    pub max_watchers: usize,
    /// A watcher that takes nothing for this long is cut off.
    pub watcher_timeout: Duration,
}

impl Default for AdminLimits {
    fn default() -> Self {
        Self {
            max_request_bytes: 1 << 20,
            requests_per_second: 0,
            max_watchers: 20_000,
            watcher_timeout: Duration::from_secs(10),
        }
    }
}
