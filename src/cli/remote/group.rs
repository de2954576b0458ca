//! `proconsul group`.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Query, Remote};
use super::drive;
use super::path::part;
use super::show::{Column, show};

const COLUMNS: [Column; 5] = [
    ("GROUP", "/name"),
    ("INSTANCES", "/instances/total"),
    ("ELIGIBLE", "/instances/eligible"),
    ("MAINTENANCE", "/instances/maintenance"),
    ("SERVICES", "/services"),
];

const CHANGED: [Column; 2] = [("GROUP", "/group"), ("INSTANCES CHANGED", "/instances")];

#[derive(Subcommand)]
pub enum Command {
    /// List groups of services
    List {
        #[command(flatten)]
        remote: Remote,
    },
    /// Take all instances of a group out of service until they are called back
    Maintenance {
        group: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// Call them back
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Drain all instances of a group: they leave when their requests are done
    Drain {
        group: String,
        #[command(flatten)]
        remote: Remote,
    },
}

pub fn run(command: Command) -> ExitCode {
    drive(work(command))
}

async fn work(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { remote } => {
            let answer = remote.client()?.get("/v1/groups", &Query::new()).await?;
            show(&answer, remote.json, &COLUMNS);
            Ok(())
        }
        Command::Maintenance { group, reason, off: false, remote } => {
            let body = json!({ "reason": reason });
            change(Method::PUT, &group, "maintenance", Some(body), &remote).await
        }
        Command::Maintenance { group, reason: _, off: true, remote } => {
            change(Method::DELETE, &group, "maintenance", None, &remote).await
        }
        Command::Drain { group, remote } => {
            change(Method::POST, &group, "drain", None, &remote).await
        }
    }
}

async fn change(
    method: Method,
    group: &str,
    what: &str,
    body: Option<Value>,
    remote: &Remote,
) -> anyhow::Result<()> {
    let path = format!("/v1/groups/{}/{what}", part(group));
    let answer = remote.client()?.ask(method, &path, &Query::new(), body).await?;
    show(&answer, remote.json, &CHANGED);
    Ok(())
}
