//! How each subscription's calls go, for those who ask.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::address::Reach;
use crate::model::UnixMillis;

/// How the calls of one subscription go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Of the state that was taken last; 0 = none was.
    pub index: u64,
    /// In a row.
    pub failures: u32,
    pub last_error: Option<String>,
    pub last_attempt: Option<UnixMillis>,
    pub last_success: Option<UnixMillis>,
}

/// Shared between who calls and who asks. As many entries as there are subscriptions.
#[derive(Clone)]
pub struct Board(Arc<Shared>);

struct Shared {
    reach: Reach,
    deliveries: Mutex<HashMap<String, Delivery>>,
    stirred: Notify,
}

impl Board {
    /// An empty one, for callbacks that may go so far.
    pub fn new(reach: Reach) -> Self {
        let (deliveries, stirred) = Default::default();
        Self(Arc::new(Shared { reach, deliveries, stirred }))
    }

    /// How far callbacks may go.
    pub fn reach(&self) -> Reach {
        self.0.reach
    }

    /// How the calls of a subscription go.
    pub fn of(&self, id: &str) -> Delivery {
        self.0.deliveries.lock().get(id).cloned().unwrap_or_default()
    }

    /// Tells the dispatcher that somebody subscribed or unsubscribed.
    pub fn stir(&self) {
        self.0.stirred.notify_one();
    }

    pub(super) async fn stirred(&self) {
        self.0.stirred.notified().await;
    }

    pub(super) fn succeeded(&self, id: &str, index: u64, now: UnixMillis) {
        self.note(id, |delivery| {
            *delivery = Delivery {
                index,
                failures: 0,
                last_attempt: Some(now),
                last_success: Some(now),
                last_error: delivery.last_error.take(),
            };
        });
    }

    /// Returns how often it failed in a row.
    pub(super) fn failed(&self, id: &str, error: String, now: UnixMillis) -> u32 {
        self.note(id, |delivery| {
            delivery.failures = delivery.failures.saturating_add(1);
            delivery.last_error = Some(error);
            delivery.last_attempt = Some(now);
            delivery.failures
        })
    }

    pub(super) fn forget(&self, id: &str) {
        self.0.deliveries.lock().remove(id);
    }

    fn note<T>(&self, id: &str, change: impl FnOnce(&mut Delivery) -> T) -> T {
        change(self.0.deliveries.lock().entry(id.to_owned()).or_default())
    }
}
