//! Alerts: rules that are evaluated over what the proxy measures of itself and of its services.
//!
//! [`rules`] decides, [`facts`] is what the registry adds to the metrics, [`evaluator`] is the loop.

mod evaluator;
mod facts;
pub mod rules;

pub use evaluator::{Kept, RuleLoop, RulePlan, Sink, Source, start};
pub use facts::{Take, sample};
