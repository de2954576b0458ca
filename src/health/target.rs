//! What a component's check may answer.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::Verdict;
use crate::plugin::health_check::{Fault, HealthChecker, Target};

/// Makes a check that a component decides. Dropping the future ends the check.
#[async_trait]
pub trait PluginProbe: Send + Sync {
    /// Looks at an instance, within `limit`.
    async fn check(&self, target: &Target, limit: Duration) -> Result<Verdict, ProbeFault>;
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

#[async_trait]
impl PluginProbe for HealthChecker {
    async fn check(&self, target: &Target, limit: Duration) -> Result<Verdict, ProbeFault> {
        HealthChecker::check(self, target, limit).await.map_err(|fault| match fault {
            Fault::Deadline(_) => ProbeFault::Deadline,
            broken => ProbeFault::Broken(broken.to_string()),
        })
    }
}
