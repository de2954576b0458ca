//! What carries a notification.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::super::paging::Plan;
use crate::model::{ChannelName, Notification, Receipt, SendFailure};

/// A way to reach people.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Sends it, and returns when it arrived or will not. Bounded in time by itself.
    async fn send(&self, notification: &Notification) -> Result<Receipt, SendFailure>;

    /// At most so many are to be begun in any minute.
    fn max_per_minute(&self) -> Option<u32> {
        None
    }
}

/// By name.
pub type Channels = BTreeMap<ChannelName, Arc<dyn Channel>>;

/// What configuration says of telling people; a reload replaces all of it at once.
pub struct Setup {
    pub plan: Arc<Plan>,
    pub channels: Channels,
}
