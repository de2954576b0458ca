//! `proconsul audit`.

use std::process::ExitCode;

use clap::Args;

use super::client::Remote;
use super::drive;
use super::path::{LookBack, given};
use super::show::{Column, show};

const COLUMNS: [Column; 5] = [
    ("AT", "/at"),
    ("WHO", "/who"),
    ("FROM", "/from"),
    ("ACTION", "/action"),
    ("SUBJECT", "/subject"),
];

/// Who changed what, the newest first
#[derive(Args)]
pub struct Arguments {
    #[arg(long)]
    who: Option<String>,
    /// instance.register, service.describe, ..
    #[arg(long)]
    action: Option<String>,
    /// `default/web` finds `default/web/web-1`, too
    #[arg(long)]
    subject: Option<String>,
    #[command(flatten)]
    back: LookBack,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: Arguments) -> ExitCode {
    drive(async {
        let Arguments { who, action, subject, back, remote } = arguments;
        let mut query = given([("who", who), ("action", action), ("subject", subject)]);
        query.extend(back.query());
        let answer = remote.client()?.get("/v1/audit", &query).await?;
        show(&answer, remote.json, &COLUMNS);
        Ok(())
    })
}
