//! The admin listener: metrics, health, status, reload. Its own thread, so that it answers while
//! the proxy is busy and while plugins compile.
//!
//! It has its own words ([`status`]); nothing of the inside is serialised as it is.

mod routes;
mod status;

pub use routes::{Admin, ReloadRequest, bind, bind_after_hand_over, serve};
pub use status::{
    EndpointStatus, NameStatus, PluginStatus, ReloadReport, ReloadResult, ServiceStatus, Status,
};
