//! Who asks, and what they may do.
//!
//! [`AuthState`] is made from the configuration and replaced whole; [`Caller`] is what it makes of a
//! request. Secrets are known by their hashes, or belong to somebody else ([`jwt`]).

mod caller;
mod identify;
mod jwt;
mod state;

pub(super) use caller::{
    Administrator, Caller, InstanceRegistrar, Operator, ServiceRegistrar, Viewer,
};
pub(super) use identify::identify;
pub use state::{AuthError, AuthState};

#[cfg(test)]
mod tests;
