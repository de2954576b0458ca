//! A component's check, on the thread that is for those.

use std::sync::Arc;

use super::dial::Place;
use super::{Failure, critical};
use crate::health::target::{PluginProbe, ProbeFault};
use crate::model::Verdict;
use crate::plugin::health_check::Target;

pub(super) async fn check(
    probe: &Arc<dyn PluginProbe>,
    place: &Place<'_>,
) -> Result<Verdict, Failure> {
    let record = place.record;
    let addresses = place.dialer.addresses(&record.host, record.port).await?;
    let addresses = addresses.into_iter().map(|address| address.ip()).collect();
    let (target, limit) = (Target { record: record.clone(), addresses }, place.limit);
    let probe = probe.clone();
    let mut work =
        AbortOnDrop(place.dialer.plugins.spawn(async move { probe.check(&target, limit).await }));
    match (&mut work.0).await {
        Ok(Ok(verdict)) => Ok(verdict),
        Ok(Err(late @ ProbeFault::Deadline)) => Ok(critical(late.to_string())),
        Ok(Err(broken @ ProbeFault::Broken(_))) => Err(Failure::Check(broken.to_string())),
        Err(_) => Err(Failure::Check("the check itself failed: it panicked".to_owned())),
    }
}

/// A task that ends with its holder.
pub(super) struct AbortOnDrop<T>(pub tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
