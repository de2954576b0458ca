//! The desk: where alerts come in, and notifications go out.
//!
//! One task owns the [`Pager`](super::paging::Pager) and a [`Queue`] for each channel; each sending is a task
//! beside it, one at a time for each channel, so that a channel that hangs or fails holds up no other. A
//! channel is looked up by its name at each sending: one that a reload replaces ends what it has begun.

mod channel;
mod handle;
mod queue;
mod run;
#[cfg(test)]
mod tests;
mod topology;

pub use channel::{Channel, Channels};
pub use handle::{AlertView, ChannelView, Desk, DeskError, Foreign, Route};
pub use queue::{DeadLetter, MAX_QUEUED};
pub use run::{Running, start};
