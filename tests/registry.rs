//! The registry through its façade, over each store.

#[path = "registry/bench.rs"]
mod bench;
#[path = "registry/changes.rs"]
mod changes;
#[path = "registry/reloads.rs"]
mod reloads;
#[path = "registry/restarts.rs"]
mod restarts;
#[path = "registry/silence.rs"]
mod silence;
#[path = "registry/watching.rs"]
mod watching;
