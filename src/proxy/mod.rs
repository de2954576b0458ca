//! The data plane, as a request lives: it comes through a [`door`], is checked ([`admit`]), finds
//! its [`route`], is sent somewhere ([`pick`], [`forward`]), and is written down ([`observe`]).
//! What cannot be served is answered in one place ([`reject`]).
//!
//! The only module, beside `app` that starts it, which names pingora.

mod address;
mod admit;
mod affinity;
mod background;
mod client;
mod connection;
mod context;
pub mod door;
mod doorstep;
mod edit;
mod forward;
mod gateway;
mod glance;
mod hook;
mod host;
mod observe;
mod patience;
mod peer;
mod pick;
mod redirect;
mod reject;
mod rewrite;
pub mod route;
mod service;
mod spans;
mod stamp;
pub mod tls;
mod trace;
mod traffic;

pub use affinity::hash as affinity_key;
pub use background::{Background, Backgrounds, Notice};
pub use gateway::{Gateway, Shared};
pub use peer::PeerError;
pub use route::RouteTable;
pub use service::{Service, Upstreams};
