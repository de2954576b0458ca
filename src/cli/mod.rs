//! Subcommands, one file each.

pub mod plugin;
