//! `[alerts]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::AlertChannel;

/// What people are told, and how it reaches them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// How alerts reach people, by name.
    pub channels: BTreeMap<String, AlertChannel>,
}
