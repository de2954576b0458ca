//! Health checks: components that look at an instance over the network, and say how well it is.
//!
//! A [`HealthCheckHost`] makes a [`HealthChecker`] of a component, aside and with a trial; the
//! health loop calls [`HealthChecker::check`] for a [`Target`]. What comes of it is a verdict, or a
//! [`Fault`]: the component's failure, which says nothing about the instance. Whom a check
//! may reach is decided in `patient::network`. Knows nothing of schedules, thresholds or the registry.

mod bindings;
mod checker;
mod host;
mod instance;
mod target;

pub use super::patient::{Fault, Resolver, SystemResolver};
pub use checker::HealthChecker;
pub use host::HealthCheckHost;
pub use target::Target;
