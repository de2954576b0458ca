//! What the registry is to be told. The loop never waits for the registry: while that is busy, what is new of
//! the same check takes the place of what was to be told before, so it holds one entry a check at most.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::model::{CheckName, InstanceId, ServiceKey, Verdict};
use crate::registry::{Observed, Registry};

type Key = (ServiceKey, InstanceId, CheckName);

#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<HashMap<Key, Option<Verdict>>>,
    wake: Notify,
}

impl Outbox {
    /// Says what a check found, or (`None`) that it is no longer made.
    pub(super) fn tell(
        &self,
        service: &ServiceKey,
        instance: &InstanceId,
        check: &CheckName,
        verdict: Option<Verdict>,
    ) {
        let key = (service.clone(), instance.clone(), check.clone());
        self.waiting.lock().insert(key, verdict);
        self.wake.notify_one();
    }

    /// Hands everything to the registry, for ever.
    pub(super) async fn deliver(&self, registry: Registry) {
        loop {
            self.wake.notified().await;
            let batch = self.take();
            if !batch.is_empty() {
                registry.observe(batch).await;
            }
        }
    }

    fn take(&self) -> Vec<Observed> {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        let observed = waiting.into_iter().map(|((service, instance, check), verdict)| Observed {
            service,
            instance,
            check,
            verdict,
        });
        observed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::TRAFFIC_CHECK;
    use crate::model::{HealthStatus, ServiceName};

    #[test]
    fn the_newest_word_of_a_check_is_told() {
        let outbox = Outbox::default();
        let service = ServiceKey::in_default(ServiceName::new("web").unwrap());
        let id = InstanceId::new("a").unwrap();
        for reason in ["old", "new"] {
            let verdict = Verdict::new(HealthStatus::Critical, reason);
            outbox.tell(&service, &id, &TRAFFIC_CHECK, Some(verdict));
        }
        let told = outbox.take();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].verdict.as_ref().unwrap().reason, "new");
        assert!(outbox.take().is_empty());
    }
}
