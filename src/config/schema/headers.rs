//! `request_headers` and `response_headers`, of services and routes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Changes to headers: first `remove`, then `set`, then `add`. Headers that belong to one
/// connection (`Connection`, `Transfer-Encoding` and the like) and `Content-Length` are the
/// proxy's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderEdit {
    /// Headers that are taken away.
    pub remove: Vec<String>,
    /// Headers that get this value in place of what they had. `Host` may be set on requests.
    pub set: BTreeMap<String, String>,
    /// Headers that get this value besides what they had.
    pub add: BTreeMap<String, String>,
}
