//! What `wit-bindgen` makes of the contract. `wit` beside this crate's manifest is a link to the
//! contract itself, and packaging puts the files in its place: there is one text, and the crate
//! carries it wherever it goes.
//!
//! Each optional export is a world of its own: `wit-component` joins the worlds that a module
//! describes, so a strategy exports what it asked for and nothing else.
#![allow(missing_docs, clippy::all)]

pub mod balancer {
    wit_bindgen::generate!({
        path: ["wit/host", "wit/balancer"],
        world: "proconsul:balancer/balancer",
        generate_all,
        pub_export_macro: true,
        // A `cdylib` of this SDK has no constructors, and the check would be paid in each pick.
        disable_run_ctors_once_workaround: true,
    });
}

pub mod feedback {
    wit_bindgen::generate!({
        path: ["wit/host", "wit/balancer"],
        inline: "
            package proconsul:only-feedback;
            world only-feedback { export proconsul:balancer/feedback@0.1.0; }
        ",
        world: "proconsul:only-feedback/only-feedback",
        generate_all,
        pub_export_macro: true,
        disable_run_ctors_once_workaround: true,
    });
}

pub mod handover {
    wit_bindgen::generate!({
        path: ["wit/host", "wit/balancer"],
        inline: "
            package proconsul:only-handover;
            world only-handover { export proconsul:balancer/handover@0.1.0; }
        ",
        world: "proconsul:only-handover/only-handover",
        generate_all,
        pub_export_macro: true,
        disable_run_ctors_once_workaround: true,
    });
}

pub mod health_check {
    wit_bindgen::generate!({
        path: ["wit/host", "wit/health-check"],
        world: "proconsul:health-check/health-check",
        generate_all,
        pub_export_macro: true,
        disable_run_ctors_once_workaround: true,
        with: {
            "proconsul:host/log@0.1.0": crate::bindings::balancer::proconsul::host::log,
            "proconsul:host/random@0.1.0": crate::bindings::balancer::proconsul::host::random,
        },
    });
}

pub mod alert_channel {
    wit_bindgen::generate!({
        path: ["wit/host", "wit/alert-channel"],
        world: "proconsul:alert-channel/alert-channel",
        generate_all,
        pub_export_macro: true,
        disable_run_ctors_once_workaround: true,
        with: {
            "proconsul:host/log@0.1.0": crate::bindings::balancer::proconsul::host::log,
            "proconsul:host/random@0.1.0": crate::bindings::balancer::proconsul::host::random,
            "wasi:io/error@0.2.12": crate::bindings::health_check::wasi::io::error,
            "wasi:io/poll@0.2.12": crate::bindings::health_check::wasi::io::poll,
            "wasi:io/streams@0.2.12": crate::bindings::health_check::wasi::io::streams,
            "wasi:clocks/monotonic-clock@0.2.12": crate::bindings::health_check::wasi::clocks::monotonic_clock,
            "wasi:clocks/wall-clock@0.2.12": crate::bindings::health_check::wasi::clocks::wall_clock,
            "wasi:random/random@0.2.12": crate::bindings::health_check::wasi::random::random,
            "wasi:http/types@0.2.12": crate::bindings::health_check::wasi::http::types,
            "wasi:http/outgoing-handler@0.2.12": crate::bindings::health_check::wasi::http::outgoing_handler,
            "wasi:sockets/network@0.2.12": crate::bindings::health_check::wasi::sockets::network,
            "wasi:sockets/instance-network@0.2.12": crate::bindings::health_check::wasi::sockets::instance_network,
            "wasi:sockets/ip-name-lookup@0.2.12": crate::bindings::health_check::wasi::sockets::ip_name_lookup,
            "wasi:sockets/tcp@0.2.12": crate::bindings::health_check::wasi::sockets::tcp,
            "wasi:sockets/tcp-create-socket@0.2.12": crate::bindings::health_check::wasi::sockets::tcp_create_socket,
        },
    });
}
