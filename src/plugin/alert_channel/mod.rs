//! Alert channels: components that carry a notification to a receiver.
//!
//! An [`AlertChannelHost`] makes an [`AlertChannel`] of a component, aside and with a trial; whoever
//! dispatches calls [`AlertChannel::send`]. What comes of it is a receipt, or a failure that says whether
//! trying again may help. Whom a channel may reach is decided in `patient::network`. Knows nothing
//! of queues, groups or retries.

mod bindings;
mod channel;
mod host;
mod instance;
mod words;

pub use channel::AlertChannel;
pub use host::AlertChannelHost;
