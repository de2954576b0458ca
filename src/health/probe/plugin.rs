//! A component's check, on the thread that is for those.

use std::sync::Arc;

use super::dial::Place;
use super::{Failure, critical};
use crate::health::target::{PluginProbe, ProbeFault, Target};
use crate::model::Verdict;

pub(super) async fn check(
    probe: &Arc<dyn PluginProbe>,
    place: &Place<'_>,
) -> Result<Verdict, Failure> {
    let record = place.record;
    let target = Target {
        service: record.service.clone(),
        instance: record.id.clone(),
        host: record.host.clone(),
        port: record.port,
        addresses: place.dialer.addresses(&record.host, record.port).await?,
        metadata: record.metadata.clone(),
        zone: record.zone.clone(),
        region: record.region.clone(),
        version: record.version.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let probe = probe.clone();
    let mut work =
        AbortOnDrop(place.dialer.plugins.spawn(async move { probe.check(&target).await }));
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
