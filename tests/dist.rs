//! The shipped components are those that the sources beside them make.

use std::path::Path;

use proconsul::cli::plugin::dist;

#[test]
fn no_shipped_component_lags_behind_its_sources() {
    let wrong = dist::check(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert!(
        wrong.is_empty(),
        "run `make plugins`, then commit plugins/dist:\n{}",
        wrong.join("\n")
    );
}
