//! `proconsul plugin …`: make, look at, and try plugins.

pub mod build;
pub mod digest;
pub mod dist;
mod inspect;
pub mod new;
pub mod toolchain;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub enum Command {
    /// Show a component's world, versions, imports, permissions, limits and size
    Inspect {
        /// A component file, or the name of a built-in strategy
        plugin: String,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs a subcommand.
pub(super) fn run(command: Command) -> ExitCode {
    match command {
        Command::Inspect { plugin, json } => inspect::inspect(&plugin, json),
    }
}

/// A plugin as people name it: a path if it looks like one, else a built-in strategy.
fn source_of(plugin: &str) -> crate::config::PluginSource {
    let path = PathBuf::from(plugin);
    if plugin.ends_with(".wasm") || plugin.contains('/') {
        return crate::config::PluginSource::File(path);
    }
    crate::config::PluginSource::BuiltIn(plugin.to_owned())
}
