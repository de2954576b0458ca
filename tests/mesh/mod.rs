//! A mesh for one test: upstreams that do as they are told, the real `proconsul` before them, and
//! clients. Nothing here knows what is tested.
//!
//! Every test process has a loopback address of its own (from its process id), and ports below the
//! system's ephemeral ones: tests run side by side without meeting.

#![allow(dead_code, unused_imports)] // shared by several test binaries, each of which uses a part

pub mod channel;
pub mod check;
pub mod client;
pub mod collector;
pub mod command;
pub mod http2;
pub mod load;
pub mod plugin;
pub mod proxy;
pub mod tls;
pub mod upstream;
pub mod wait;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

pub use client::{Answer, Connection};
pub use collector::Collector;
pub use command::command;
pub use load::Load;
pub use proxy::{Builder, Mesh};
pub use upstream::Upstream;
pub use wait::eventually;

/// An address that nobody else in this run uses.
pub fn free_address() -> SocketAddr {
    static NEXT_PORT: AtomicU16 = AtomicU16::new(10_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = IpAddr::from([127, 64 | high, middle, low.max(1)]);
    SocketAddr::new(ip, NEXT_PORT.fetch_add(1, Ordering::Relaxed))
}
