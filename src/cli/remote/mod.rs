//! The command line's twins of the admin API: each subcommand is one question or change, printed as a table
//! or as JSON.
//!
//! They know the API from outside alone, as any other client does.

mod alert;
mod audit;
mod client;
mod events;
mod group;
mod health;
mod instance;
mod log;
mod metrics;
mod path;
mod service;
mod show;
mod store;
mod token;
mod watch;

use std::future::Future;
use std::process::ExitCode;

pub use alert::Command as Alert;
pub use audit::Arguments as Audit;
pub use events::Arguments as Events;
pub use group::Command as Group;
pub use health::Arguments as Health;
pub use instance::Command as Instance;
pub use log::Command as Log;
pub use metrics::Arguments as Metrics;
pub use service::Command as Service;
pub use store::Command as Store;
pub use token::Command as Token;

pub use alert::run as alert;
pub use audit::run as audit;
pub use events::run as events;
pub use group::run as group;
pub use health::run as health;
pub use instance::run as instance;
pub use log::run as log;
pub use metrics::run as metrics;
pub use service::run as service;
pub use store::run as store;
pub use token::run as token;

/// Runs a command to its end; what went wrong is said on standard error.
fn drive(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
