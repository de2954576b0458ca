//! Where a check may connect to: the instance that it looks at, and what `allow` lists.
//!
//! A guest never has a connection that the host did not vet by its address. Names are resolved
//! here, once for each check; the answer is vetted, kept for as long as the check lasts, and connected
//! to: there is no second answer that could be another (DNS rebinding). What is refused is logged and counted.

mod budget;
mod denials;
mod http;
mod names;
mod permit;
mod sockets;
mod tls;

pub(super) use denials::Denials;
pub(super) use http::Outgoing;
pub use names::{Resolver, SystemResolver};
pub(super) use permit::{Gate, Permit, Rules};
pub(super) use sockets::{add_to_linker, may_use};
pub(super) use tls::Authorities;
