//! The admin listener: the API of the registry, metrics, health, status, reload. Its own threads, so that it
//! answers while the proxy is busy and while plugins compile.
//!
//! It has its own words ([`status`], [`v1`]); nothing of the inside is serialised as it is.

mod problem;

mod server;
mod stall;

mod auth;
mod conditions;
mod input;
mod inquiry;
mod rate;

mod routes;
mod status;
mod v1;

pub use auth::{AuthError, AuthState};
pub use inquiry::{Inquiry, StatusRequest};
pub use routes::{Admin, ReloadRequest};
pub use server::{bind, bind_after_hand_over, serve};
pub use status::{
    EndpointStatus, NameStatus, PluginCounters, PluginStatus, ReloadReport, ReloadResult,
    RouteStatus, ServiceStatus, Status, StrategyStatus,
};
pub use v1::{Checks, NATIVE, NativePicker, PickError, Picker, service_state};

#[cfg(test)]
mod tests;
