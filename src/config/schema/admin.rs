//! `[admin]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// The admin listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Whether there is one.
    pub enabled: bool,
    /// IP address and port. It has no login: keep it where only operators reach it.
    pub address: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self { enabled: true, address: "127.0.0.1:9900".to_owned() }
    }
}
