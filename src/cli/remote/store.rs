//! `proconsul registry`: backups, through the running proxy; and putting one in place while none runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use reqwest::Method;
use serde_json::json;

use super::client::{Query, Remote};
use super::drive;
use super::show::{print, show_one};
use crate::app;
use crate::cli::DEFAULT_CONFIG;
use crate::config::RegistryStore;
use crate::store::{Contents, restore};

#[derive(Subcommand)]
pub enum Command {
    /// Write a backup beside the store of the running proxy
    Backup {
        /// Name of a new file; the proxy puts it into its store's directory
        file: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Put a backup in the place of the store, while no proxy uses it
    Restore {
        /// The backup
        file: PathBuf,
        /// The configuration that names the store
        #[arg(long, default_value = DEFAULT_CONFIG)]
        config: PathBuf,
    },
}

pub fn run(command: Command) -> ExitCode {
    drive(async {
        match command {
            Command::Backup { file, remote } => {
                let body = json!({ "file": file });
                let client = remote.client()?;
                let answer =
                    client.ask(Method::POST, "/v1/backup", &Query::new(), Some(body)).await?;
                show_one(&answer, remote.json);
                Ok(())
            }
            Command::Restore { file, config } => put_back(&file, &config).await,
        }
    })
}

async fn put_back(file: &Path, config: &Path) -> anyhow::Result<()> {
    let loaded = match app::load(config) {
        Ok(loaded) => loaded,
        Err(refused) => bail!("{}", refused.problems),
    };
    let RegistryStore::Sqlite(place) = &loaded.config.registry.store else {
        bail!(
            "{} keeps the registry in memory alone: name a file as `[registry] store` first",
            config.display()
        );
    };
    let Contents { services, instances, subscriptions, before } = restore(file, place).await?;
    print(&format!(
        "{}: {services} services, {instances} instances, {subscriptions} subscriptions\n",
        place.display()
    ));
    if let Some(before) = before {
        print(&format!("what was there before is in {}\n", before.display()));
    }
    Ok(())
}
