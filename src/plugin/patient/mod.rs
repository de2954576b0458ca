//! What components that wait live in: those with a network, on the engine that is asynchronous.
//!
//! Health checks and alert channels share it: a store with its limits ([`state`]), the standard
//! interfaces ([`linker`]), the network that a call may use ([`network`]), the file that a channel may
//! append to ([`journal`]), and what counts as a failure ([`fault`]). Knows neither kind's exports.

mod fault;
mod journal;
mod linker;
mod metered;
mod network;
mod owner;
mod state;
mod store;
mod trial;

pub use fault::Fault;
pub(super) use journal::Journal;
pub(super) use linker::linker;
pub(super) use metered::MAX_BUSY;
pub(super) use network::{Authorities, Denials, Permit, Rules};
pub use network::{Resolver, SystemResolver};
pub(super) use owner::{Counters, Owner};
pub(super) use state::{PatientState, Words};
pub(super) use store::instantiate;
pub(super) use trial::{bounded, tried};
