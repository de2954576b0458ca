//! The plugins that the binary carries, as components. `make plugins` rebuilds them from
//! `plugins/`.

use super::kind::Kind;

macro_rules! components {
    ($kind:expr, $($name:literal),+ $(,)?) => {
        &[$(($kind, $name, include_bytes!(concat!("../../plugins/dist/", $name, ".wasm")))),+]
    };
}

type BuiltIn = (Kind, &'static str, &'static [u8]);

const STRATEGIES: &[BuiltIn] = components![
    Kind::Balancer,
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

const CHECKS: &[BuiltIn] =
    components![Kind::HealthCheck, "http-json", "postgres-ready", "redis-ping", "tcp-banner",];

/// What a service uses that names no strategy.
pub const DEFAULT: &str = "round-robin";

const CHANNELS: &[BuiltIn] = components![
    Kind::AlertChannel,
    "alertmanager",
    "dingtalk",
    "email",
    "feishu",
    "file",
    "pagerduty",
    "slack",
    "webhook",
];

fn all() -> impl Iterator<Item = &'static BuiltIn> {
    STRATEGIES.iter().chain(CHECKS).chain(CHANNELS)
}

/// The names of those of one kind, in alphabetical order.
pub fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
    all().filter(move |(of, ..)| *of == kind).map(|(_, name, _)| *name)
}

/// The names of all. No two have the same, whatever their kind.
pub fn all_names() -> impl Iterator<Item = &'static str> {
    all().map(|(_, name, _)| *name)
}

/// The kind of the one with that name.
pub fn kind(name: &str) -> Option<Kind> {
    all().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
}

/// The component of that name.
pub fn component(name: &str) -> Option<&'static [u8]> {
    all().find(|(_, known, _)| *known == name).map(|(.., bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_one_plugin() {
        let mut names: Vec<_> = all_names().collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all_names().count());
        assert_eq!(kind("maglev"), Some(Kind::Balancer));
        assert_eq!(kind("redis-ping"), Some(Kind::HealthCheck));
        assert_eq!(kind("slack"), Some(Kind::AlertChannel));
        assert_eq!(kind("nothing"), None);
    }
}
