//! Scenario files: what a strategy is put through by `proconsul plugin test`, and what must come of it.
//!
//! A [file](format) is played against one instance of the component: its [endpoints](endpoints)
//! change and are loaded as it says, it picks (or a [simulation](simulate) of traffic makes it
//! pick), and each step's picks are [judged](expect). Seed, clock and loads are the file's, so that
//! a run is the same on every machine. `wit/README.md` explains the format to plugins' authors.

mod endpoints;
mod expect;
mod format;
mod play;
mod simulate;

pub use format::line_of;
pub use play::{Failure, Report, play};
