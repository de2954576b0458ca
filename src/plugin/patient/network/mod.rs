//! Where a check or a channel may connect to: the instance that is looked at, and what `allow` lists.
//!
//! A guest never has a connection that the host did not vet by its address. Names are resolved
//! here, once for each call; the answer is vetted, kept for as long as the call lasts, and connected
//! to: there is no second answer that could be another (DNS rebinding). What is refused is logged and counted.

mod budget;
mod denials;
mod http;
mod names;
mod permit;
mod sockets;
mod tls;

pub(in super::super) use denials::Denials;
pub(in super::super) use http::Outgoing;
pub use names::{Resolver, SystemResolver};
pub(in super::super) use permit::{Gate, Permit, Rules};
pub(in super::super) use sockets::{add_to_linker, may_use};
pub(in super::super) use tls::Authorities;
