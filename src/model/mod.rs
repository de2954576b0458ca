//! The words that every other module speaks: names, sizes and facts about services and requests.
//!
//! No IO, no serde, no clock. A value of these types cannot be wrong: it was checked when it was made.

mod endpoint;
mod name;
mod phase;
mod weight;

pub use endpoint::Endpoint;
pub use name::{EndpointId, InvalidName, ListenerName, RouteName, ServiceName, StrategyName};
pub use phase::Phase;
pub use weight::{InvalidWeight, Weight};
