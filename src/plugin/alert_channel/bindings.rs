//! The contract of alert channels as Rust types, generated. The standard interfaces are wasmtime's.

wasmtime::component::bindgen!({
    path: ["wit/host", "wit/alert-channel"],
    world: "proconsul:alert-channel/alert-channel",
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

pub(super) use exports::proconsul::alert_channel::channel::{Error, Notification};
pub(super) use proconsul::alert_channel::types::{Alert, Retry};
