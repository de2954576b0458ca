//! What a health check implements, and the words that it speaks.
//!
//! A check looks at one instance at a time, over [`http`](crate::http) or [`tcp`](crate::tcp), and
//! says how well it is. It may reach that instance, at its own port, and what `allow` in the check's
//! TOML lists; everything else is refused, and the operator sees the attempt.

use serde::de::DeserializeOwned;

pub use crate::bindings::health_check::exports::proconsul::health_check::checker::{
    Endpoint, Verdict,
};

/// A health check. One value makes many checks, one after the other, of any instance of the services that
/// use it: keep nothing in it that belongs to one of them.
pub trait HealthCheck: Sized + 'static {
    /// What may stand in the check's `config` table in TOML: derive `serde::Deserialize`, with
    /// `#[serde(deny_unknown_fields, default)]` so that a misspelt key is refused and each has a default.
    type Config: DeserializeOwned;

    /// Makes the check, without a network. An error refuses the configuration with this message, so name
    /// the key, what it has and what it may have.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Looks at an instance. The check's `timeout` ends it, waiting included; time that is spent on
    /// computing is the proxy's, and no more than 500 ms of it are given.
    ///
    /// It must not panic because something cannot be reached: before it serves it is tried on an
    /// endpoint that is not there.
    fn check(&mut self, endpoint: &Endpoint) -> Verdict;
}

/// Why something could not be asked for: of [`http`](crate::http) and [`tcp`](crate::tcp).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// The proxy refused it: it is neither the instance under check nor listed in `allow`.
    Denied,
    /// Nobody listens there.
    Refused,
    /// No answer in time.
    TimedOut,
    /// The connection broke before the answer was whole.
    Closed,
    /// The name does not resolve.
    NoSuchName,
    /// The answer is larger than what was asked for, or than what a check may read.
    TooLarge,
    /// The URL or the address is none.
    NotAnAddress,
    /// The other side does not speak HTTP, or its certificate is not good.
    Protocol,
    /// Something else.
    Other,
}

impl std::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NetworkError::Denied => "the proxy does not allow it",
            NetworkError::Refused => "connection refused",
            NetworkError::TimedOut => "no answer in time",
            NetworkError::Closed => "the connection was closed",
            NetworkError::NoSuchName => "the name does not resolve",
            NetworkError::TooLarge => "the answer is too large",
            NetworkError::NotAnAddress => "not an address",
            NetworkError::Protocol => "the answer makes no sense",
            NetworkError::Other => "cannot be reached",
        })
    }
}

impl std::error::Error for NetworkError {}
