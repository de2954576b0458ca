//! `proconsul instance`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Query, Remote, read_json};
use super::path::{InNamespace, given, instance, service};
use super::show::{Column, show, show_one};
use super::{drive, watch};

pub(super) const COLUMNS: [Column; 10] = [
    ("SERVICE", "/service"),
    ("ID", "/id"),
    ("HOST", "/host"),
    ("PORT", "/port"),
    ("VERSION", "/version"),
    ("ZONE", "/zone"),
    ("DUTY", "/duty"),
    ("HEALTH", "/health/status"),
    ("REASON", "/health/reason"),
    ("TAGS", "/tags"),
];

#[derive(Subcommand)]
pub enum Command {
    /// List a service's instances
    List {
        service: String,
        #[command(flatten)]
        filter: Filter,
        /// Print again whenever something changed
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        namespace: InNamespace,
        #[command(flatten)]
        remote: Remote,
    },
    /// Look at an instance
    Get {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remote: Remote,
    },
    /// Register an instance; one that is there is updated
    Register(Box<Register>),
    /// Send a heart-beat
    Heartbeat {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take an instance out of service until it is called back
    Maintenance {
        #[command(flatten)]
        which: Which,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// Call it back
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Take an instance out: it leaves when its requests are done
    Deregister {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        remote: Remote,
    },
}

/// An instance by its names.
#[derive(Args)]
pub struct Which {
    service: String,
    id: String,
    #[command(flatten)]
    namespace: InNamespace,
}

/// Which instances; all conditions hold.
#[derive(Args)]
pub struct Filter {
    /// Those that have all of these
    #[arg(long)]
    tag: Vec<String>,
    /// Those of whose metadata this is part
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// Those whose version fits: `^1.2`, `>=1, <2`
    #[arg(long)]
    version: Option<String>,
    #[arg(long)]
    zone: Option<String>,
    #[arg(long)]
    region: Option<String>,
    /// passing, warning or critical
    #[arg(long)]
    health: Option<String>,
    /// Go on after a page
    #[arg(long)]
    after: Option<String>,
    #[arg(long)]
    limit: Option<u32>,
}

/// What an instance says about itself.
#[derive(Args)]
pub struct Register {
    #[command(flatten)]
    which: Which,
    /// An IP address or a name
    #[arg(long, required_unless_present = "file")]
    host: Option<String>,
    #[arg(long, required_unless_present = "file")]
    port: Option<u16>,
    #[arg(long)]
    version: Option<String>,
    #[arg(long)]
    protocol: Option<String>,
    #[arg(long)]
    weight: Option<u16>,
    #[arg(long)]
    zone: Option<String>,
    #[arg(long)]
    region: Option<String>,
    #[arg(long)]
    tag: Vec<String>,
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// It must send a heart-beat within this
    #[arg(long)]
    ttl: Option<String>,
    /// All of it as a JSON file, `-` = standard input; flags change what it says
    #[arg(long)]
    file: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(command: Command) -> ExitCode {
    drive(work(command))
}

impl Which {
    fn path(&self) -> String {
        instance(&self.service, &self.id)
    }
}

impl Filter {
    fn query(self) -> Query {
        let Self { tag, metadata, version, zone, region, health, after, limit } = self;
        let limit = limit.map(|limit| limit.to_string());
        let mut query = given([
            ("version", version),
            ("zone", zone),
            ("region", region),
            ("health", health),
            ("after", after),
            ("limit", limit),
        ]);
        query.extend(tag.into_iter().map(|tag| ("tag", tag)));
        query.extend(metadata.into_iter().map(|pair| ("metadata", pair)));
        query
    }
}

async fn work(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { service: name, filter, watch, namespace, remote } => {
            let mut query = filter.query();
            query.extend(namespace.query());
            let path = format!("{}/instances", service(&name));
            let client = remote.client()?;
            watch::shown(&client, watch, || async {
                let answer = client.get(&path, &query).await?;
                show(&answer, remote.json, &COLUMNS);
                Ok(answer)
            })
            .await
        }
        Command::Get { which, remote } => {
            let answer = remote.client()?.get(&which.path(), &which.namespace.query()).await?;
            show_one(&answer, remote.json);
            Ok(())
        }
        Command::Register(register) => {
            let body = register.body()?;
            ask(Method::PUT, &register.which, "", Some(body), &register.remote).await
        }
        Command::Heartbeat { which, remote } => {
            let path = format!("{}/heartbeat", which.path());
            let client = remote.client()?;
            let answer = client.ask(Method::PUT, &path, &which.namespace.query(), None).await?;
            show_one(&answer, remote.json);
            Ok(())
        }
        Command::Maintenance { which, reason, off: false, remote } => {
            let body = json!({ "reason": reason });
            ask(Method::PUT, &which, "/maintenance", Some(body), &remote).await
        }
        Command::Maintenance { which, reason: _, off: true, remote } => {
            ask(Method::DELETE, &which, "/maintenance", None, &remote).await
        }
        Command::Deregister { which, remote } => {
            ask(Method::DELETE, &which, "", None, &remote).await
        }
    }
}

/// Changes an instance, and shows it.
async fn ask(
    method: Method,
    which: &Which,
    below: &str,
    body: Option<Value>,
    remote: &Remote,
) -> anyhow::Result<()> {
    let path = format!("{}{below}", which.path());
    let answer = remote.client()?.ask(method, &path, &which.namespace.query(), body).await?;
    if !answer.is_null() {
        show(&answer, remote.json, &COLUMNS);
    }
    Ok(())
}

impl Register {
    fn body(&self) -> anyhow::Result<Value> {
        let mut body = match &self.file {
            Some(file) => read_json(file)?,
            None => Value::Object(Map::new()),
        };
        let flags = [
            ("host", self.host.clone().map(Value::from)),
            ("port", self.port.map(Value::from)),
            ("version", self.version.clone().map(Value::from)),
            ("protocol", self.protocol.clone().map(Value::from)),
            ("weight", self.weight.map(Value::from)),
            ("zone", self.zone.clone().map(Value::from)),
            ("region", self.region.clone().map(Value::from)),
            ("ttl", self.ttl.clone().map(Value::from)),
            ("tags", (!self.tag.is_empty()).then(|| Value::from(self.tag.clone()))),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                body[key] = value;
            }
        }
        for pair in &self.metadata {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| anyhow::anyhow!("`--metadata {pair}` is no KEY=VALUE"))?;
            body["metadata"][key] = value.into();
        }
        Ok(body)
    }
}
