//! What carries a notification.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{ChannelName, Notification, Receipt, SendFailure};

/// A way to reach people.
#[async_trait]
pub trait Channel: Send + Sync + 'static {
    /// Sends it, and returns when it arrived or will not. Bounded in time by itself.
    async fn send(&self, notification: &Notification) -> Result<Receipt, SendFailure>;
}

/// By name; a reload replaces all.
pub type Channels = BTreeMap<ChannelName, Arc<dyn Channel>>;
