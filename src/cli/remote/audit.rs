//! `proconsul audit`.

use std::process::ExitCode;

use clap::Args;

use super::client::Remote;
use super::drive;
use super::path::given;
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
    /// Not older than this: 2030-01-31T00:00:00Z
    #[arg(long)]
    since: Option<String>,
    /// Go on after a page
    #[arg(long, visible_alias = "after", value_name = "INDEX")]
    before: Option<u64>,
    #[arg(long)]
    limit: Option<u32>,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: Arguments) -> ExitCode {
    drive(async {
        let Arguments { who, action, subject, since, before, limit, remote } = arguments;
        let query = given([
            ("who", who),
            ("action", action),
            ("subject", subject),
            ("since", since),
            ("before", before.map(|before| before.to_string())),
            ("limit", limit.map(|limit| limit.to_string())),
        ]);
        let answer = remote.client()?.get("/v1/audit", &query).await?;
        show(&answer, remote.json, &COLUMNS);
        Ok(())
    })
}
