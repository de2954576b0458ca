//! What follows from results, times and shares: pure, fed the clock and chance.

mod belief;
mod passive;
mod routing;
mod slow_start;

pub use belief::Belief;
pub use passive::{Passive, PassiveFlip};
pub use routing::{Routing, routing};
pub use slow_start::{Ramp, ramp};
