//! The strategies that the binary carries, as components. `make plugins` rebuilds them from
//! `plugins/`.

use crate::config::BuiltIn;

macro_rules! components {
    ($($name:literal),+ $(,)?) => {
        const STRATEGIES: &[&str] = &[$($name),+];
        const COMPONENTS: &[(&str, &[u8])] = &[
            $(($name, include_bytes!(concat!("../../plugins/dist/", $name, ".wasm")))),+
        ];
    };
}

components![
    "consistent-hash",
    "geographic",
    "ip-hash",
    "least-connections",
    "least-load",
    "maglev",
    "random",
    "response-time",
    "round-robin",
    "weighted-random",
    "weighted-round-robin",
];

/// What a service uses that names no strategy.
pub const DEFAULT: &str = "round-robin";

/// Health checks that the binary carries.
const CHECKS: &[&str] = &["http-json", "postgres-ready", "redis-ping", "tcp-banner"];

/// The strategies' names, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    STRATEGIES.iter().copied()
}

/// All names by kind, each in alphabetical order.
pub const NAMES: BuiltIn<'static> = BuiltIn { strategies: STRATEGIES, checks: CHECKS };

/// The component of that name.
pub fn component(name: &str) -> Option<&'static [u8]> {
    COMPONENTS.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}
