//! Proconsul: a governance proxy whose decisions are sandboxed WebAssembly components.

pub mod config;
pub mod model;
