//! `proconsul events`.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::client::Remote;
use super::drive;
use super::path::given;
use super::show::{Column, print, show, text};

const COLUMNS: [Column; 6] = [
    ("AT", "/at"),
    ("KIND", "/kind"),
    ("NAMESPACE", "/namespace"),
    ("SERVICE", "/service"),
    ("INSTANCE", "/instance"),
    ("MESSAGE", "/message"),
];

/// How long the proxy is to hold a question that has no answer yet.
const WAIT: &str = "30s";

/// What happened to services and instances
#[derive(Args)]
pub struct Arguments {
    #[arg(long, short = 'n')]
    namespace: Option<String>,
    #[arg(long)]
    service: Option<String>,
    #[arg(long)]
    instance: Option<String>,
    /// registered, updated, draining, maintenance, activated, deregistered, health, ..
    #[arg(long)]
    kind: Option<String>,
    /// After the event with this index; the newest if absent
    #[arg(long)]
    since: Option<u64>,
    #[arg(long)]
    limit: Option<u32>,
    /// Go on printing what happens
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: Arguments) -> ExitCode {
    drive(work(arguments))
}

async fn work(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { namespace, service, instance, kind, since, limit, watch, remote } = arguments;
    let client = remote.client()?;
    let filter = given([
        ("namespace", namespace),
        ("service", service),
        ("instance", instance),
        ("kind", kind),
    ]);
    let mut query = filter.clone();
    let (first, limit) = (since.map(|s| s.to_string()), limit.map(|limit| limit.to_string()));
    query.extend(given([("since", first), ("limit", limit)]));
    let mut answer = client.get("/v1/events", &query).await?;
    if !watch {
        show(&answer, remote.json, &COLUMNS);
        return Ok(());
    }
    loop {
        for event in answer["items"].as_array().into_iter().flatten() {
            line(event, remote.json);
        }
        let mut query = filter.clone();
        query.push(("since", text(&answer["index"])));
        query.push(("wait", WAIT.to_owned()));
        answer = client.get("/v1/events", &query).await?;
    }
}

/// One event as it comes: a table would have to know the width of those to come.
fn line(event: &Value, as_json: bool) {
    if as_json {
        print(&format!("{event}\n"));
        return;
    }
    let cells = COLUMNS.iter().map(|(_, place)| text(event.pointer(place).unwrap_or(&Value::Null)));
    print(&format!("{}\n", cells.collect::<Vec<_>>().join("  ")));
}
