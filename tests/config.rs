//! The configuration from the outside: files in, checked types or messages out.
//!
//! `tests/config/bad/x.toml` is refused with exactly `x.err`; `tests/config/good/x.toml` is
//! accepted and means `x.txt`. A case of several files is a directory with a `proconsul.toml`.
//! `UPDATE=1` writes the expectations anew; read the difference before you keep it.

#[path = "config/cases.rs"]
mod cases;
#[path = "config/hostile.rs"]
mod hostile;
#[path = "config/reference.rs"]
mod reference;
#[path = "config/watch.rs"]
mod watch;

use std::path::Path;

use proconsul::config::{BuiltIn, Loaded, Refused, load};

/// The plugins that the binary embeds, as far as configuration cares.
const BUILT_IN: BuiltIn<'static> = BuiltIn {
    strategies: &["consistent-hash", "ip-hash", "least-connections", "round-robin"],
    checks: &["http-json", "redis-ping"],
    channels: &["alertmanager", "file", "slack", "webhook"],
};

/// Loads with an environment that is the same on every machine.
fn load_case(path: &Path) -> Result<Loaded, Refused> {
    let variable = |name: &str| match name {
        "TOKEN" => Some("s3cret".to_owned()),
        "BAD_TOKEN" => Some("s3cret\u{7}".to_owned()),
        "EMPTY" => Some(String::new()),
        "HOME" => Some("/home/op".to_owned()),
        _ => None,
    };
    load(path, &variable, BUILT_IN)
}
