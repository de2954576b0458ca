//! Configuration: what an operator writes, checked as a whole.

pub mod types;

pub use types::*;
