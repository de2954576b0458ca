//! Assembly: from a validated configuration to a process that serves it, and from one
//! configuration to the next while it serves.
//!
//! In reading order: [`names`] resolves endpoints' hosts; [`build`] makes everything that a
//! configuration asks for, aside ([`logs`] opens its logs, [`otlp`] starts its export); [`world`] is what is in effect, and publishes; [`reloader`] goes
//! from one to the next; [`watch`] notices that there is a next one; [`changes`] decides when to go
//! there; [`control`] runs that beside the rest of what is to be done; [`api`] starts the admin
//! listener, for which [`picker`] asks strategies; [`server`] starts pingora; [`drain`] ends it.

mod alerts;
mod api;
mod build;
mod changes;
mod control;
mod drain;
mod huge_pages;
mod logs;
mod members;
mod names;
mod open_files;
mod otlp;
mod picker;
mod registry;
mod reloader;
mod rotation;
mod server;
mod signals;
mod status;
mod upgrade;
mod watch;
mod world;

pub use build::{BuildError, check};
pub use reloader::load;
pub use server::{RunError, RunOptions, run};
