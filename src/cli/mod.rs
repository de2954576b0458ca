//! The command line: what people type, and the exit codes that scripts trust.
//!
//! 0: done. 1: it failed, and standard error says why. 2: the command line was not understood.
//! 3: a configuration or a plugin was refused.

mod check;
mod demo;
pub mod plugin;
mod remote;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::{self, RunOptions};
use crate::config;

/// The configuration that is used when none is named.
const DEFAULT_CONFIG: &str = "/etc/proconsul/proconsul.toml";

#[derive(Parser)]
#[command(
    name = "proconsul",
    version,
    about = "A governance proxy: traffic routed by sandboxed, hot-reloading WebAssembly strategies",
    after_help = "Begin with `proconsul demo`.\n\
                  Exit codes: 0 done; 1 failed; 2 command line not understood; 3 configuration or \
                  plugin refused."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until told to stop
    ///
    /// SIGHUP reloads it (so does saving it); SIGTERM lets requests finish and stops; SIGINT stops
    /// at once; SIGQUIT hands the listeners to a new process that was started with --upgrade.
    Run {
        /// The configuration file
        #[arg(default_value = DEFAULT_CONFIG)]
        config: PathBuf,
        /// Take over the listeners of the running process, which then drains and stops
        #[arg(long)]
        upgrade: bool,
    },
    /// Do everything that a reload does, short of serving: plugins, certificates and all
    Check {
        /// The configuration file
        #[arg(default_value = DEFAULT_CONFIG)]
        config: PathBuf,
        /// Print the mistakes as JSON
        #[arg(long)]
        json: bool,
    },
    /// Three backends, a proxy and a configuration to play with, in one process
    Demo {
        /// Where the proxy listens
        #[arg(long, default_value = "127.0.0.1:8080")]
        listen: std::net::SocketAddr,
        /// Where the admin API listens
        #[arg(long, default_value = "127.0.0.1:9900")]
        admin: std::net::SocketAddr,
        /// Stop after so many seconds instead of on Ctrl-C
        #[arg(long)]
        seconds: Option<u64>,
    },
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
    /// Look at services, describe them, deprecate versions
    Service {
        #[command(subcommand)]
        command: remote::Service,
    },
    /// Find, register and operate instances
    Instance {
        #[command(subcommand)]
        command: remote::Instance,
    },
    /// Ask how well services are
    Health(remote::Health),
    /// See how services did over the last minutes
    Metrics(remote::Metrics),
    /// See what happened
    Events(remote::Events),
    /// See who changed what
    Audit(remote::Audit),
    /// See alerts, silence them, try channels
    Alert {
        #[command(subcommand)]
        command: remote::Alert,
    },
    /// See how much the log is told, or set it
    Log {
        #[command(subcommand)]
        command: remote::Log,
    },
    /// Operate on groups of services
    Group {
        #[command(subcommand)]
        command: remote::Group,
    },
    /// Back the registry up, and put a backup back
    Registry {
        #[command(subcommand)]
        command: remote::Store,
    },
    /// Make tokens for the admin API
    Token {
        #[command(subcommand)]
        command: remote::Token,
    },
    /// Make, look at, and try plugins
    Plugin {
        #[command(subcommand)]
        command: plugin::Command,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config, upgrade } => match app::run(&RunOptions { config, upgrade }) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                if error.is_config() { ExitCode::from(REFUSED) } else { ExitCode::FAILURE }
            }
        },
        Command::Check { config, json } => check::check(&config, json),
        Command::Demo { listen, admin, seconds } => demo::demo(listen, admin, seconds),
        Command::Schema => print_schema(),
        Command::Service { command } => remote::service(command),
        Command::Instance { command } => remote::instance(command),
        Command::Health(arguments) => remote::health(arguments),
        Command::Metrics(arguments) => remote::metrics(arguments),
        Command::Events(arguments) => remote::events(arguments),
        Command::Audit(arguments) => remote::audit(arguments),
        Command::Alert { command } => remote::alert(command),
        Command::Log { command } => remote::log(command),
        Command::Group { command } => remote::group(command),
        Command::Registry { command } => remote::store(command),
        Command::Token { command } => remote::token(command),
        Command::Plugin { command } => plugin::run(command),
    }
}

/// A configuration or a plugin was refused.
const REFUSED: u8 = 3;

fn print_schema() -> ExitCode {
    println!("{:#}", config::json_schema());
    ExitCode::SUCCESS
}
