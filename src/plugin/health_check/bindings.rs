//! The contract of health checks as Rust types, generated. The standard interfaces are wasmtime's.

wasmtime::component::bindgen!({
    path: ["wit/host", "wit/health-check"],
    world: "proconsul:health-check/health-check",
    require_store_data_send: true,
    with: {
        "proconsul:host": super::super::bindings::proconsul::host,
        "wasi:io": wasmtime_wasi::p2::bindings::io,
        "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
        "wasi:random": wasmtime_wasi::p2::bindings::random,
        "wasi:sockets": wasmtime_wasi::p2::bindings::sockets,
        "wasi:http": wasmtime_wasi_http::p2::bindings::http,
    },
});

pub(super) use exports::proconsul::health_check::checker::{Endpoint, Verdict};
