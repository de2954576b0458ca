//! Alerts: rules that are evaluated over what the proxy measures of itself and of its services, and who is told.
//!
//! [`rules`] decides what fires, [`facts`] is what the registry adds to the metrics, [`evaluator`] is the loop;
//! [`paging`] decides who is told of it when, and [`desk`] sees to it.

pub mod desk;
mod evaluator;
mod facts;
pub mod paging;
pub mod rules;

pub use evaluator::{Kept, RuleLoop, RulePlan, Sink, Source, start};
pub use facts::{Take, sample};
