//! `proconsul health`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::client::Remote;
use super::path::{InNamespace, given, service};
use super::show::{Column, show};
use super::{drive, watch};

const SERVICES: [Column; 7] = [
    ("NAMESPACE", "/namespace"),
    ("SERVICE", "/service"),
    ("STATUS", "/status"),
    ("INSTANCES", "/instances/total"),
    ("ELIGIBLE", "/instances/eligible"),
    ("CRITICAL", "/instances/critical"),
    ("REASON", "/reason"),
];

const INSTANCES: [Column; 5] = [
    ("ID", "/id"),
    ("DUTY", "/duty"),
    ("STATUS", "/health/status"),
    ("SINCE", "/health/since"),
    ("REASON", "/health/reason"),
];

/// How well services are
#[derive(Args)]
pub struct Arguments {
    /// One service, with those of its instances that are not well
    service: Option<String>,
    /// Those that are passing, warning or critical
    #[arg(long, conflicts_with = "service")]
    status: Option<String>,
    /// Go on after a page
    #[arg(long, conflicts_with = "service")]
    after: Option<String>,
    /// Print again whenever something changed
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    namespace: InNamespace,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: Arguments) -> ExitCode {
    drive(work(arguments))
}

async fn work(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { service: name, status, after, watch, namespace, remote } = arguments;
    let client = remote.client()?;
    let mut query = namespace.query();
    query.extend(given([("status", status), ("after", after)]));
    let path = match &name {
        Some(name) => format!("{}/health", service(name)),
        None => "/v1/health".to_owned(),
    };
    watch::shown(&client, watch, || async {
        let answer = client.get(&path, &query).await?;
        if answer["self_preserving"] == json!(true) {
            eprintln!(
                "so many heart-beats stay away that the registry suspects itself: it keeps all"
            );
        }
        show(&answer, remote.json, &SERVICES);
        if let (false, Some(Value::Array(unwell))) = (remote.json, answer.get("unwell"))
            && !unwell.is_empty()
        {
            show(&json!({ "items": unwell }), false, &INSTANCES);
        }
        Ok(answer)
    })
    .await
}
