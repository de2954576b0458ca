//! Proconsul: a governance proxy whose decisions are sandboxed WebAssembly components.

pub mod balance;
pub mod config;
pub mod model;
