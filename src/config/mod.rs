//! Configuration: what an operator writes, checked as a whole.
//!
//! ```text
//! text ─ parse ─▶ tree ─ merge, substitute ─▶ tree ─ decode ─▶ schema ─ validate ─▶ types ─▶ diff
//! ```
//!
//! `load` runs it all and returns either a [`Config`] in which nothing can be wrong, or every
//! mistake at once. Only `source` does IO.

mod source;

mod parse;
mod path;
mod problem;
mod tree;

mod include;
mod merge;
mod substitute;

mod de;
mod decode;
mod schema;
mod service_pattern;
mod suggest;
mod validate;

mod diff;
pub mod types;

pub use diff::{Changes, Diff, diff};
pub use problem::{MAX_PROBLEMS, Place, Problem, Problems};
pub use schema::{Size, Time, json_schema};
pub use source::{Loaded, MAX_FILE_BYTES, MAX_FRAGMENTS, Places, Refused, load};
pub use types::*;
pub use validate::{BuiltIn, allowed_peer, service_pattern};
