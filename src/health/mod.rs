//! The health loop: looks at each instance as often as its checks say, and tells the registry what it came to
//! believe, at the moment it does.
//!
//! It has a thread and a runtime of its own, so that neither requests nor the registry's disk make a check
//! late. One task owns every belief; each check that asks somebody is a task beside it, and hands back its
//! result. Knows no routes; a component's check is behind [`PluginProbe`].

mod job;
mod outbox;
mod plan;
mod probe;
mod roster;
mod scheduler;
pub mod state;
mod target;
#[cfg(test)]
mod tests;
mod thread;
mod traffic;
mod verdicts;

pub use plan::Plan;
pub use target::{PluginProbe, ProbeFault};
pub use thread::{HealthLoop, start};
pub use traffic::{TRAFFIC_CHECK, Traffic, TrafficInbox, TrafficReport};
