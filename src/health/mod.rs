//! The health loop: looks at every instance when its checks are due, listens to what traffic meets, and
//! tells the registry at the moment when a belief changes.
//!
//! In reading order: [`state`] is what follows from results, pure; [`plan`] is what is to be checked;
//! [`probe`] looks; [`task`] is one check of one instance; [`queue`] knows which is due; [`patrol`] is
//! the loop. Routing is not its business: it never touches an endpoint.

mod patrol;
mod plan;
mod probe;
mod queue;
pub mod state;
mod task;
mod traffic;

use std::io;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use patrol::Patrol;
pub use plan::{Plan, ServicePlan};
pub use traffic::{Met, TrafficInbox, TrafficReport};

use crate::registry::Registry;
use crate::telemetry::metrics::HealthMetrics;

/// Runs the loop on the present runtime, as long as the registry lives.
///
/// `max_concurrent` bounds the checks in flight; it is read once.
pub async fn run(
    registry: Registry,
    plan: watch::Receiver<Arc<Plan>>,
    reports: mpsc::Receiver<TrafficReport>,
    max_concurrent: usize,
    metrics: HealthMetrics,
) -> io::Result<()> {
    Patrol::new(registry, plan, reports, max_concurrent, metrics).run().await;
    Ok(())
}
