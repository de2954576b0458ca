//! The desk: where alerts come in, and notifications go out.
//!
//! One task owns the [`Pager`](super::paging::Pager), an [outbox] with a queue for each channel, and the
//! [ledger] of what the store is to have; each sending is a task beside it, one at a time for each channel, so
//! that a channel that hangs or fails holds up no other. A channel is looked up by its name at each sending:
//! one that a reload replaces ends what it has begun.
//!
//! What is decided is in the store before it is done, and what arrived is forgotten there at once: after a
//! crash, nothing is missing, and what was being sent in that moment may come twice, with the same sequence.

mod channel;
mod handle;
mod ledger;
mod notification;
mod outbox;
mod pace;
mod queue;
mod room;
mod run;
#[cfg(test)]
mod tests;
mod topology;

pub use channel::{Channel, Channels, Setup};
pub use handle::{AlertView, ChannelView, Desk, DeskError, Foreign, Route};
pub use ledger::MAX_HISTORY;
pub use queue::{DeadLetter, MAX_QUEUED};
pub use room::END_WITHIN;
pub use run::{Memory, Running, start};
