//! `proconsul plugin …`: what a plugin's author types.
//!
//! These modules know cargo and the binary format of components, and nothing of the proxy.

pub mod build;
pub mod digest;
pub mod dist;
pub mod new;
pub mod toolchain;
