//! Lines for the operator, in the proxy's own log with the plugin's name: `log::info!("{n} endpoints")`.
//!
//! The proxy writes 20 lines a second for each plugin by default, cuts them at 1024 bytes, and drops what is below
//! its configured level. Not in `pick`: a line costs more than a pick may.

pub use crate::bindings::balancer::proconsul::host::log::{Level, write};
pub use crate::{
    log_debug as debug, log_error as error, log_info as info, log_trace as trace, log_warn as warn,
};

/// From now on a panic is written as an error line, with its place, before it traps. Call it in
/// `Strategy::new`; it makes the component about 8 KiB larger.
pub fn panics() {
    std::panic::set_hook(Box::new(|panic| write(Level::Error, &panic.to_string())));
}

/// Writes a line that only a plugin's author wants; takes what `format!` takes.
#[macro_export]
macro_rules! log_trace {
    ($($format:tt)*) => {
        $crate::log::write($crate::log::Level::Trace, &::std::format!($($format)*))
    };
}

/// Writes a line that helps to find a fault; takes what `format!` takes.
#[macro_export]
macro_rules! log_debug {
    ($($format:tt)*) => {
        $crate::log::write($crate::log::Level::Debug, &::std::format!($($format)*))
    };
}

/// Writes a line about what an operator may want to know; takes what `format!` takes.
#[macro_export]
macro_rules! log_info {
    ($($format:tt)*) => {
        $crate::log::write($crate::log::Level::Info, &::std::format!($($format)*))
    };
}

/// Writes a line about what an operator should look at; takes what `format!` takes.
#[macro_export]
macro_rules! log_warn {
    ($($format:tt)*) => {
        $crate::log::write($crate::log::Level::Warn, &::std::format!($($format)*))
    };
}

/// Writes a line about what an operator must look at; takes what `format!` takes.
#[macro_export]
macro_rules! log_error {
    ($($format:tt)*) => {
        $crate::log::write($crate::log::Level::Error, &::std::format!($($format)*))
    };
}
