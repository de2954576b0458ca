//! The plugin host: everything that knows WebAssembly.
//!
//! In reading order: an [`engine`] runs components under [`limits`]; a [`library`] finds their
//! bytes, compiles them and keeps the result in a [`cache`]; a [`contract`] says which components
//! may serve, and a [`refusal`] says why one may not. One folder for each plugin kind stands on
//! these: [`balancer`], and on the common ground of `patient` [`health_check`] and [`alert_channel`].

pub mod alert_channel;
pub mod balancer;
mod bindings;
pub mod builtin;
mod cache;
mod clock;
pub mod contract;
mod engine;
mod exports;
pub mod health_check;
mod kind;
pub mod library;
mod limits;
mod log_gate;
mod patient;
mod refusal;
mod seeds;
mod state;
mod ticker;

pub use clock::SimulatedClock;
pub use engine::{AsyncEngine, EngineError, HotEngine};
pub use kind::Kind;
pub use library::{Library, LoadedComponent};
pub use refusal::Refusal;
pub use seeds::Seeds;
pub use state::Node;
