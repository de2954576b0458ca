//! A store that forgets: for tests, and for a proxy that is to keep nothing.
pub struct Memory {}
