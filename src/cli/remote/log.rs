//! `proconsul log`.

use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::alert::seconds;
use super::client::{Query, Remote};
use super::drive;
use super::show::{Column, show};

const PATH: &str = "/v1/log/level";

const COLUMNS: [Column; 4] = [
    ("WRITER", "/writer"),
    ("LEVEL", "/level"),
    ("CONFIGURED", "/configured"),
    ("UNTIL", "/until"),
];

#[derive(Subcommand)]
pub enum Command {
    /// Show how much the log is told, or set it
    Level {
        /// What to set, such as `debug` or `info,proconsul::plugin=debug`
        level: Option<String>,
        /// For how long: 30m, 2h, 90s; else until the configuration names another level
        #[arg(long = "for", value_name = "TIME", value_parser = seconds, requires = "level")]
        length: Option<u64>,
        /// Of this writer; else of all that have no level of their own
        #[arg(long)]
        writer: Option<String>,
        /// Go back to what is configured
        #[arg(long, conflicts_with = "level")]
        reset: bool,
        #[command(flatten)]
        remote: Remote,
    },
}

pub fn run(command: Command) -> ExitCode {
    drive(work(command))
}

async fn work(command: Command) -> anyhow::Result<()> {
    let Command::Level { level, length, writer, reset, remote } = command;
    let client = remote.client()?;
    let answer = if level.is_some() || reset {
        let body = json!({ "level": level, "seconds": length, "writer": writer });
        client.ask(Method::PUT, PATH, &Query::new(), Some(body)).await?
    } else if writer.is_some() {
        bail!("--writer needs a level to set, or --reset");
    } else {
        client.get(PATH, &Query::new()).await?
    };
    show(&answer, remote.json, &COLUMNS);
    Ok(())
}
