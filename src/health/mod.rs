//! The health loop.

pub mod state;
