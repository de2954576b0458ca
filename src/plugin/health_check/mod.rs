//! Health checks: components that look at an instance over the network, and say how well it is.
//!
//! A [`HealthCheckHost`] makes a [`HealthChecker`] of a component, aside and with a trial; the
//! health loop calls [`HealthChecker::check`] for a [`Target`]. What comes of it is a verdict, or a
//! [`Fault`]: the component's failure, which says nothing about the instance. Whom a check
//! may reach is decided in `network`. Knows nothing of schedules, thresholds or the registry.

mod bindings;
mod checker;
mod fault;
mod host;
mod instance;
mod metered;
mod network;
mod state;
mod target;

pub use checker::HealthChecker;
pub use fault::Fault;
pub use host::HealthCheckHost;
pub use network::{Resolver, SystemResolver};
pub use target::Target;
