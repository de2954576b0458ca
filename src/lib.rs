//! Proconsul: a governance proxy whose decisions are sandboxed WebAssembly components.

pub mod admin;
pub mod alert;
pub mod app;
pub mod balance;
pub mod cli;
pub mod config;
pub mod health;
pub mod model;
pub mod plugin;
pub mod proxy;
pub mod registry;
pub mod store;
pub mod telemetry;
pub mod webhook;
