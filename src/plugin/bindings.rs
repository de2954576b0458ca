//! The contract in `wit/` as Rust types, generated.

wasmtime::component::bindgen!({
    path: ["wit/host", "wit/balancer"],
    world: "proconsul:balancer/balancer-with-feedback",
});

pub use exports::proconsul::balancer::feedback::Outcome;
pub(super) use exports::proconsul::balancer::strategy::Endpoint;
pub(super) use proconsul::balancer::{loads, request, types};
pub(super) use proconsul::host::{log, node, random};
