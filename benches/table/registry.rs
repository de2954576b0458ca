//! A proxy whose registry is measured, and the requests of those who register.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::measure::Bench;
use crate::process::{Server, free_address};
use crate::proxies::{proconsul, proconsul_head};

/// Instances that one page of an answer lists.
const PAGE: usize = 1000;

/// A proxy with a registry in a file of `directory`, which outlives it.
pub struct Node {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub server: Server,
}

/// Where an instance is registered.
pub fn register_path(service: &str, id: &str) -> String {
    format!("/v1/services/{service}/instances/{id}")
}

/// What is registered; a port of 0 is refused.
pub fn registration(port: u16) -> String {
    format!(r#"{{"host":"127.0.0.1","port":{port},"version":"1.2.3","tags":["blue"],"zone":"a"}}"#)
}

impl Node {
    /// Starts it with further tables of configuration.
    pub fn start(bench: &Bench, directory: &Path, tables: &str) -> Result<Self> {
        let (listen, admin) = (free_address()?, free_address()?);
        let config = directory.join("proconsul.toml");
        let text = format!(
            "{}[admin.auth]\nanonymous = \"admin\"\n\
             [registry]\nstore = {{ file = \"registry.db\" }}\n{tables}",
            proconsul_head(directory, listen, admin)
        );
        fs::write(&config, text)?;
        let command = proconsul(&bench.binaries, &config);
        let server = Server::start("proconsul", command, admin, directory)?;
        Ok(Self { listen, admin, server })
    }

    /// SIGKILL.
    pub fn kill(self) -> Result<()> {
        drop(self.server);
        Ok(())
    }

    /// The ids of every instance of the service `killed`.
    pub fn instance_ids(&self) -> Result<BTreeSet<String>> {
        let mut client = Client::new(self.admin);
        let mut ids = BTreeSet::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/services/killed/instances?limit={PAGE}{cursor}");
            let page: serde_json::Value = serde_json::from_str(&client.get(&path)?.body)?;
            let items = page["items"].as_array().context("no `items` in the answer")?;
            for item in items {
                let id = item["id"].as_str().context("an instance without an id")?;
                ensure!(ids.insert(id.to_owned()), "{id} is listed twice");
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&after={next}"),
                None => return Ok(ids),
            }
        }
    }
}
