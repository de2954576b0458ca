//! Alert channels: how alerts reach people.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::{AllowedPeer, ChannelName, PluginSource};

/// A component that carries alerts, and whom it may speak with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertChannel {
    pub name: ChannelName,
    pub source: PluginSource,
    /// The `config` table as JSON.
    pub config_json: String,
    /// Whom it may connect to.
    pub allow: Vec<AllowedPeer>,
    /// The one file that it may append to; an absolute path.
    pub file: Option<PathBuf>,
    /// For one sending.
    pub timeout: Duration,
    /// Sendings that may be begun in any minute; `None` = as many as there are.
    pub max_per_minute: Option<u32>,
    /// Linear memory of one instance.
    pub memory_bytes: usize,
}
