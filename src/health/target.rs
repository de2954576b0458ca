//! What a component's check is told of the instance, and what it may answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_trait::async_trait;

use crate::model::{InstanceId, ServiceKey, Verdict};

/// An instance under check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub service: ServiceKey,
    pub instance: InstanceId,
    /// As it registered.
    pub host: String,
    pub port: u16,
    /// What the host stands for right now, in the order to try; never empty.
    pub addresses: Vec<SocketAddr>,
    pub metadata: BTreeMap<String, String>,
    /// Empty when unknown.
    pub zone: String,
    /// Empty when unknown.
    pub region: String,
    /// Empty when unknown.
    pub version: String,
}

/// Makes a check that a component decides. Dropping the future ends the check.
#[async_trait]
pub trait PluginProbe: Send + Sync {
    async fn check(&self, target: &Target) -> Result<Verdict, ProbeFault>;
}

/// No verdict came of a check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFault {
    /// Counts against the instance: a checker that waits for one that hangs looks like this.
    #[error("no verdict in time")]
    Deadline,
    /// The checker's own fault. A warning, and calls no instance back.
    #[error("the check itself failed: {0}")]
    Broken(String),
}
