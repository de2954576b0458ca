//! One file.
pub struct Sqlite {}
