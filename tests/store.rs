//! The stores: the same promises of each, and those of the file alone.

#[path = "store/file.rs"]
mod file;
#[path = "store/promises.rs"]
mod promises;
#[path = "store/samples.rs"]
mod samples;
