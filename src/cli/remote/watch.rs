//! `--watch`: print again whenever something happened.

use std::future::Future;

use serde_json::Value;

use super::client::{Client, Query};

/// How long the proxy is to hold a question that has no answer yet.
const WAIT: &str = "30s";

/// Shows something; with `watch`, again after each event of the registry.
pub(super) async fn shown<F>(
    client: &Client,
    watch: bool,
    mut show: impl FnMut() -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<Value>>,
{
    loop {
        let shown = show().await?;
        if !watch {
            return Ok(());
        }
        let since = shown["index"].as_u64().unwrap_or_default();
        changed(client, since).await?;
        println!();
    }
}

/// Waits for an event after `since`.
async fn changed(client: &Client, since: u64) -> anyhow::Result<()> {
    let query: Query =
        vec![("since", since.to_string()), ("wait", WAIT.to_owned()), ("limit", "1".to_owned())];
    loop {
        let events = client.get("/v1/events", &query).await?;
        if events["items"].as_array().is_some_and(|items| !items.is_empty()) {
            return Ok(());
        }
    }
}
