//! Write a plugin for Proconsul: implement [`Strategy`] (load balancing),
//! [`HealthCheck`](health_check::HealthCheck) or [`AlertChannel`](alert_channel::AlertChannel), export it, and `proconsul plugin build` makes the component.
//!
//! # A strategy
//!
//! ```
//! use proconsul_plugin::{Endpoint, Strategy};
//!
//! /// What may stand in the strategy's `config` table.
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields, default)]
//! struct Config {
//!     stride: u32,
//! }
//!
//! impl Default for Config {
//!     fn default() -> Self {
//!         Self { stride: 1 }
//!     }
//! }
//!
//! struct Striding {
//!     stride: u32,
//!     at: u32,
//!     endpoints: u32,
//! }
//!
//! impl Strategy for Striding {
//!     type Config = Config;
//!
//!     fn new(config: Config) -> Result<Self, String> {
//!         Ok(Self { stride: config.stride, at: 0, endpoints: 0 })
//!     }
//!
//!     fn set_endpoints(&mut self, endpoints: Vec<Endpoint>) -> Result<(), String> {
//!         self.endpoints = endpoints.len() as u32;
//!         Ok(())
//!     }
//!
//!     fn pick(&mut self, _key: u64, _attempt: u32) -> Option<u32> {
//!         self.at = self.at.wrapping_add(self.stride);
//!         self.at.checked_rem(self.endpoints)
//!     }
//! }
//!
//! proconsul_plugin::export!(Striding);
//! ```
//!
//! # A health check
//!
//! ```
//! use proconsul_plugin::health_check::{Endpoint, HealthCheck, Verdict};
//! use proconsul_plugin::{NoConfig, http};
//!
//! struct Ready;
//!
//! impl HealthCheck for Ready {
//!     type Config = NoConfig;
//!
//!     fn new(_: NoConfig) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!
//!     fn check(&mut self, endpoint: &Endpoint) -> Verdict {
//!         match http::get(&http::url(endpoint, "/ready")) {
//!             Ok(response) if response.status == 200 => Verdict::Passing,
//!             Ok(response) => Verdict::Critical(format!("status {}", response.status)),
//!             Err(error) => Verdict::Critical(error.to_string()),
//!         }
//!     }
//! }
//!
//! proconsul_plugin::export_health_check!(Ready);
//! ```
//!
//! # An alert channel
//!
//! ```
//! use proconsul_plugin::alert_channel::{AlertChannel, Error, Notification, delivered};
//! use proconsul_plugin::http;
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     url: String,
//! }
//!
//! struct Posts(Config);
//!
//! impl AlertChannel for Posts {
//!     type Config = Config;
//!
//!     fn new(config: Config) -> Result<Self, String> {
//!         Ok(Self(config))
//!     }
//!
//!     fn send(&mut self, notification: &Notification) -> Result<String, Error> {
//!         let request = http::Request::new("POST", &self.0.url).body(notification.headline());
//!         delivered(request.send()).map(|_| String::new())
//!     }
//! }
//!
//! proconsul_plugin::export_alert_channel!(Posts);
//! ```
//!
//! # What a plugin can reach
//!
//! The crate must be a `cdylib`. It is built for `wasm32-unknown-unknown`: no files, sockets, threads or
//! clock of the standard library, and [`std::time::Instant::now`] panics. What a plugin can reach is
//! what this crate offers: for a strategy [`loads`], [`request`] and [`node`], for a health check
//! [`http`] and [`tcp`], for an alert channel those, [`time`] and [`journal`](alert_channel::journal), for all [`random`] and [`log`]. Those it does not use the component does
//! not import, and `proconsul plugin inspect` shows which it does.
//!
//! Outside of WebAssembly [`export!`] and [`export_health_check!`] only check the types, and the functions
//! of those modules panic.
//! Put what is worth a unit test into a type that takes their answers as arguments, as
//! [`algorithms`] does with its `Host`.
#![warn(missing_docs)]

pub mod alert_channel;
#[doc(hidden)]
pub mod bindings;
pub mod health_check;
pub mod http;
#[doc(hidden)]
pub mod instance;
mod json;
pub mod log;
mod strategy;
pub mod tcp;
pub mod time;
mod wait;

pub use proconsul_algorithms as algorithms;

pub use bindings::balancer::proconsul::balancer::{loads, request};
pub use bindings::balancer::proconsul::host::{node, random};
pub use strategy::{Endpoint, Feedback, Handover, Loads, NoConfig, Outcome, Strategy, view};

/// Makes a type that implements [`Strategy`] the component's strategy. Once for each crate.
///
/// ```ignore
/// proconsul_plugin::export!(Mine);
/// proconsul_plugin::export!(Mine, feedback);           // Mine: Feedback
/// proconsul_plugin::export!(Mine, handover);           // Mine: Handover
/// proconsul_plugin::export!(Mine, feedback, handover); // both
/// ```
#[macro_export]
macro_rules! export {
    ($strategy:ty $(, $also:ident)* $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static INSTANCE: $crate::instance::Instance<$strategy> =
                $crate::instance::Instance::empty();

            struct Component;
            $crate::export_strategy!(Component, INSTANCE);
            $($crate::export_also!($also, Component, INSTANCE);)*
        };

        // So that an ordinary `cargo check` or `cargo test` sees the same type errors.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            $crate::instance::check_strategy::<$strategy>();
            $($crate::check_also!($also, $strategy);)*
        };
    };
}

/// Makes a type that implements [`HealthCheck`](health_check::HealthCheck) the component's check. Once for
/// each crate.
///
/// ```ignore
/// proconsul_plugin::export_health_check!(Mine);
/// ```
#[macro_export]
macro_rules! export_health_check {
    ($check:ty $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static INSTANCE: $crate::instance::Instance<$check> =
                $crate::instance::Instance::empty();

            struct Component;
            impl $crate::bindings::health_check::exports::proconsul::health_check::checker::Guest
                for Component
            {
                fn configure(
                    config: ::std::string::String,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    INSTANCE.configure_check(&config)
                }

                fn check(
                    endpoint: $crate::health_check::Endpoint,
                ) -> $crate::health_check::Verdict {
                    INSTANCE.check(&endpoint)
                }
            }
            $crate::bindings::health_check::export!(
                Component with_types_in $crate::bindings::health_check
            );
        };

        // So that an ordinary `cargo check` or `cargo test` sees the same type errors.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = $crate::instance::check_health_check::<$check>();
    };
}

/// Makes a type that implements [`AlertChannel`](alert_channel::AlertChannel) the component's channel. Once
/// for each crate.
///
/// ```ignore
/// proconsul_plugin::export_alert_channel!(Mine);
/// ```
#[macro_export]
macro_rules! export_alert_channel {
    ($channel:ty $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            static INSTANCE: $crate::instance::Instance<$channel> =
                $crate::instance::Instance::empty();

            struct Component;
            impl $crate::bindings::alert_channel::exports::proconsul::alert_channel::channel::Guest
                for Component
            {
                fn configure(
                    config: ::std::string::String,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    INSTANCE.configure_channel(&config)
                }

                fn send(
                    notification: $crate::alert_channel::Notification,
                ) -> ::std::result::Result<::std::string::String, $crate::alert_channel::Error>
                {
                    INSTANCE.send(&notification)
                }
            }
            $crate::bindings::alert_channel::export!(
                Component with_types_in $crate::bindings::alert_channel
            );
        };

        // So that an ordinary `cargo check` or `cargo test` sees the same type errors.
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = $crate::instance::check_alert_channel::<$channel>();
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_strategy {
    ($component:ident, $instance:ident) => {
        impl $crate::bindings::balancer::exports::proconsul::balancer::strategy::Guest for $component {
            fn configure(config: ::std::string::String) -> ::std::result::Result<(), ::std::string::String> {
                $instance.configure(&config)
            }

            fn set_endpoints(
                endpoints: ::std::vec::Vec<$crate::Endpoint>,
            ) -> ::std::result::Result<(), ::std::string::String> {
                $instance.set_endpoints(endpoints)
            }

            #[inline(always)]
            fn pick(key: u64, attempt: u32) -> ::std::option::Option<u32> {
                $instance.pick(key, attempt)
            }
        }
        $crate::bindings::balancer::export!($component with_types_in $crate::bindings::balancer);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! export_also {
    (feedback, $component:ident, $instance:ident) => {
        impl $crate::bindings::feedback::exports::proconsul::balancer::feedback::Guest for $component {
            fn observe(index: u32, outcome: $crate::Outcome, latency_us: u32) {
                $instance.observe(index, outcome, latency_us)
            }
        }
        $crate::bindings::feedback::export!($component with_types_in $crate::bindings::feedback);
    };
    (handover, $component:ident, $instance:ident) => {
        impl $crate::bindings::handover::exports::proconsul::balancer::handover::Guest for $component {
            fn snapshot() -> ::std::vec::Vec<u8> {
                $instance.snapshot()
            }

            fn restore(state: ::std::vec::Vec<u8>) -> ::std::result::Result<(), ::std::string::String> {
                $instance.restore(state)
            }
        }
        $crate::bindings::handover::export!($component with_types_in $crate::bindings::handover);
    };
    ($other:ident, $component:ident, $instance:ident) => {
        ::std::compile_error!("`export!` knows `feedback` and `handover` beside the strategy");
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! check_also {
    (feedback, $strategy:ty) => {
        $crate::instance::check_feedback::<$strategy>();
    };
    (handover, $strategy:ty) => {
        $crate::instance::check_handover::<$strategy>();
    };
    ($other:ident, $strategy:ty) => {
        ::std::compile_error!("`export!` knows `feedback` and `handover` beside the strategy");
    };
}
