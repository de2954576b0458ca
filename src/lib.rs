//! Proconsul: a governance proxy whose decisions are sandboxed WebAssembly components.

pub mod cli;
pub mod config;
pub mod model;
