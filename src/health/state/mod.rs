//! What follows from results, times and shares: pure, fed the clock.

mod routing;
mod slow_start;

pub use routing::{Routing, routing};
pub use slow_start::{Ramp, ramp};
