//! The decisions of health checking, fed the clock: when to believe a result, when to look again, how much
//! traffic an instance gets after it recovered, and what to do when too few are well.
//!
//! Pure: no IO, no clock, and whoever is random is handed its generator.

mod belief;
mod passive;
mod ramp;
mod schedule;
mod spread;

pub use belief::{Belief, Flip};
pub use passive::{Ejection, Passive, PassiveSettings};
pub use ramp::{RAMP_STEPS, Ramped, ramp};
pub use schedule::{Pace, first_due, jittered, next_due, phase_in};
pub use spread::{Spread, spread};
