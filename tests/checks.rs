//! Health checks by components, without the health loop: those that are shipped against real servers,
//! and hostile ones, each contained with its attempt in plain sight.

mod mesh;

#[path = "checks/contained.rs"]
mod contained;
#[path = "checks/fixture.rs"]
mod fixture;
#[path = "checks/network.rs"]
mod network;
#[path = "checks/servers.rs"]
mod servers;
#[path = "checks/shipped.rs"]
mod shipped;
