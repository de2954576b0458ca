//! `proconsul service`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::client::{Query, Remote, read_json};
use super::path::{InNamespace, given, service};
use super::show::{Column, show, show_one};
use super::{drive, watch};

const COLUMNS: [Column; 9] = [
    ("NAMESPACE", "/namespace"),
    ("NAME", "/name"),
    ("GROUP", "/group"),
    ("KIND", "/kind"),
    ("OWNER", "/owner"),
    ("INSTANCES", "/instances/total"),
    ("ELIGIBLE", "/instances/eligible"),
    ("CRITICAL", "/instances/critical"),
    ("TAGS", "/tags"),
];

const VERSIONS: [Column; 5] = [
    ("VERSION", "/version"),
    ("INSTANCES", "/instances"),
    ("ELIGIBLE", "/eligible"),
    ("DEPRECATED", "/deprecation/reason"),
    ("REPLACEMENT", "/deprecation/replacement"),
];

#[derive(Subcommand)]
pub enum Command {
    /// List services
    List {
        /// The namespace; `default` if absent, `*` = all
        #[arg(long, short = 'n')]
        namespace: Option<String>,
        #[arg(long)]
        group: Option<String>,
        #[arg(long)]
        kind: Option<String>,
        #[arg(long)]
        owner: Option<String>,
        /// Those that have all of these
        #[arg(long)]
        tag: Vec<String>,
        /// Those with an instance that is passing, warning or critical
        #[arg(long)]
        health: Option<String>,
        /// Go on after a page
        #[arg(long)]
        after: Option<String>,
        #[arg(long)]
        limit: Option<u32>,
        /// Print again whenever something changed
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Look at a service
    Get {
        name: String,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
    /// Describe a service, or describe it anew
    Describe {
        name: String,
        /// A JSON file with the description, `-` = standard input
        file: PathBuf,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
    /// Forget a service's description; its instances stay
    Forget {
        name: String,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
    /// List a service's versions
    Versions {
        name: String,
        /// Only those that fit: `^1.2`
        #[arg(long)]
        compatible: Option<String>,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
    /// Say that versions ought not to be used any more
    Deprecate {
        name: String,
        /// Which: `<2`
        versions: String,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// What to use instead
        #[arg(long, default_value = "")]
        replacement: String,
        /// When they will stop working: 2030-01-31T00:00:00Z
        #[arg(long)]
        sunset: Option<String>,
        /// Say that they may be used again
        #[arg(long)]
        undo: bool,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
    /// Pick one of a service's instances
    Pick {
        name: String,
        #[arg(long)]
        strategy: Option<String>,
        /// What is to go to the same instance
        #[arg(long)]
        key: Option<String>,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
}

pub fn run(command: Command) -> ExitCode {
    drive(work(command))
}

async fn work(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List {
            namespace,
            group,
            kind,
            owner,
            tag,
            health,
            after,
            limit,
            watch,
            remote,
        } => {
            let limit = limit.map(|limit| limit.to_string());
            let mut query: Query = given([
                ("namespace", namespace),
                ("group", group),
                ("kind", kind),
                ("owner", owner),
                ("health", health),
                ("after", after),
                ("limit", limit),
            ]);
            query.extend(tag.into_iter().map(|tag| ("tag", tag)));
            let client = remote.client()?;
            watch::shown(&client, watch, || async {
                let answer = client.get("/v1/services", &query).await?;
                show(&answer, remote.json, &COLUMNS);
                Ok(answer)
            })
            .await
        }
        Command::Get { name, namespace, remote } => {
            let answer = remote.client()?.get(&service(&name), &namespace.query()).await?;
            show_one(&answer, remote.json);
            Ok(())
        }
        Command::Describe { name, file, namespace, remote } => {
            let body = Some(read_json(&file)?);
            let client = remote.client()?;
            let answer = client.ask(Method::PUT, &service(&name), &namespace.query(), body).await?;
            show(&answer, remote.json, &COLUMNS);
            Ok(())
        }
        Command::Forget { name, namespace, remote } => {
            let client = remote.client()?;
            client.ask(Method::DELETE, &service(&name), &namespace.query(), None).await?;
            Ok(())
        }
        Command::Versions { name, compatible, namespace, remote } => {
            let mut query = namespace.query();
            let path = match compatible {
                Some(requirement) => {
                    query.push(("version", requirement));
                    format!("{}/compatible", service(&name))
                }
                None => format!("{}/versions", service(&name)),
            };
            let answer = remote.client()?.get(&path, &query).await?;
            match remote.json {
                true => show_one(&answer, true),
                false => show(&json!({ "items": answer["versions"] }), false, &VERSIONS),
            }
            Ok(())
        }
        Command::Deprecate {
            name,
            versions,
            reason,
            replacement,
            sunset,
            undo,
            namespace,
            remote,
        } => {
            let path = format!("{}/deprecations", service(&name));
            let mut query = namespace.query();
            let client = remote.client()?;
            let answer = if undo {
                query.push(("version", versions));
                client.ask(Method::DELETE, &path, &query, None).await?
            } else {
                let body = json!({
                    "versions": versions, "reason": reason, "replacement": replacement, "sunset": sunset,
                });
                client.ask(Method::PUT, &path, &query, Some(body)).await?
            };
            show_one(&answer, remote.json);
            Ok(())
        }
        Command::Pick { name, strategy, key, namespace, remote } => {
            let mut query = namespace.query();
            query.extend(given([("strategy", strategy), ("key", key)]));
            let answer = remote.client()?.get(&format!("{}/pick", service(&name)), &query).await?;
            show(&answer, remote.json, &super::instance::COLUMNS);
            Ok(())
        }
    }
}
