//! `[admin]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Size, Time};

/// The admin listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Whether there is one.
    pub enabled: bool,
    /// IP address and port. What stands under `/metrics` and `/-/` asks nobody's name: keep it
    /// where only operators and their tools reach it.
    pub address: String,
    /// A larger request is refused with 413. 1KiB to 64MiB.
    pub max_request: Size,
    /// Requests of one client address in a second; more are refused with 429. 0 = no limit.
    #[schemars(range(min = 0, max = 10000000))]
    pub requests_per_second: u32,
    /// Clients that watch at the same time. 0 to 1000000.
    #[schemars(range(min = 0, max = 1000000))]
    pub max_watchers: u32,
    /// A watcher that takes nothing for this long is cut off. 100ms to 1h.
    pub watcher_timeout: Time,
    /// Who may use `/v1`. Default: nobody.
    pub auth: AdminAuth,
}

/// Who may use `/v1`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminAuth {
    /// What a client without credentials may do, if it comes from a loopback address. Default:
    /// nothing.
    pub anonymous: Option<Role>,
    /// Long-lived secrets, by their hashes.
    pub tokens: Vec<AdminToken>,
    /// Tokens that somebody else signs. Default: none.
    pub jwt: Option<JwtAuth>,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read.
    Viewer,
    /// Read, and register instances of the services that its token names.
    Registrar,
    /// Change anything about services and instances.
    Operator,
    /// Everything.
    Admin,
}

/// A long-lived secret. `proconsul token new` makes one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminToken {
    /// Whose it is, for audit records.
    pub name: String,
    /// The token's SHA-256, in 64 hexadecimal digits.
    pub sha256: String,
    /// What it may do.
    pub role: Role,
    /// What a registrar may touch: `web`, `shop/web-*`, `team-a/*`.
    #[serde(default)]
    pub services: Vec<String>,
}

/// Tokens that somebody else signs (JWT): HS256, RS256, ES256.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtAuth {
    /// The keys that may sign, as a JSON Web Key Set, relative to the configuration file's
    /// directory; read again when it changes.
    pub jwks: String,
    /// One of these must be in `aud`.
    pub audience: Vec<String>,
    /// What `iss` must be. Default: anything.
    pub issuer: Option<String>,
    /// The claim that holds the role.
    #[serde(default = "role_claim")]
    pub role_claim: String,
    /// The claim that holds the services that a registrar may touch, as a list.
    #[serde(default = "services_claim")]
    pub services_claim: String,
    /// How wrong clocks may be. 0s to 1h.
    #[serde(default = "leeway")]
    pub leeway: Time,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            address: "127.0.0.1:9900".to_owned(),
            max_request: Size(1 << 20),
            requests_per_second: 0,
            max_watchers: 20_000,
            watcher_timeout: Time::from_secs(10),
            auth: AdminAuth::default(),
        }
    }
}

fn role_claim() -> String {
    "role".to_owned()
}

fn services_claim() -> String {
    "services".to_owned()
}

fn leeway() -> Time {
    Time::from_secs(30)
}
