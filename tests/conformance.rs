//! Each strategy's component against its native twin: whatever happens to both, they pick the same.
//! And what the strategies promise their users, held against the components themselves.
//!
//! By default the components that the binary carries; with `PROCONSUL_PLUGIN_DIR` those in that
//! folder, which is how `make test` tries the ones that it has just built.

mod conformance {
    mod differential;
    mod pair;
    mod promises;
    mod twin;
}
