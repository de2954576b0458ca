//! The health loop.

pub mod state;
mod traffic;

pub use traffic::{Met, TrafficInbox, TrafficReport};
