//! Asking a running proxy.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

/// For a connection to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// For an answer; longer than any wait that a command asks for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Where the proxy is, who asks, and how to print what it says.
#[derive(Debug, Args)]
pub struct Remote {
    /// The proxy's admin listener
    #[arg(
        long,
        env = "PROCONSUL_ADMIN",
        default_value = "http://127.0.0.1:9900",
        value_name = "URL"
    )]
    admin: String,
    /// A token that [admin.auth] knows
    #[arg(long, env = "PROCONSUL_TOKEN", hide_env_values = true, conflicts_with = "token_file")]
    token: Option<String>,
    /// A file with the token, which other users' `ps` does not show
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON, as the API has it
    #[arg(long)]
    pub json: bool,
}

/// Parameters of a query.
pub(super) type Query = Vec<(&'static str, String)>;

/// Talks to one proxy.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Remote {
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let token = match &self.token_file {
            Some(file) => {
                let text = std::fs::read_to_string(file);
                Some(text.with_context(|| format!("cannot read {}", file.display()))?)
            }
            None => self.token.clone(),
        };
        let base = self.admin.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()?;
        Ok(Client { http, base, token: token.map(|token| token.trim().to_owned()) })
    }
}

fn tls() -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

impl Client {
    pub(super) async fn get(&self, path: &str, query: &Query) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Sends a request; `Null` stands for an answer without a body.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Option<Value>,
    ) -> anyhow::Result<Value> {
        let answer = self.send(method, path, query, body).await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() {
            return match text.is_empty() {
                true => Ok(Value::Null),
                false => Ok(serde_json::from_str(&text)?),
            };
        }
        Err(self.refusal(status, &text))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Option<Value>,
    ) -> anyhow::Result<Response> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        request.send().await.map_err(|error| match error.is_connect() {
            true => anyhow!(
                "no proxy answers at {}: is it running? `--admin` or PROCONSUL_ADMIN names another",
                self.base
            ),
            false => anyhow!(error).context(format!("asking {}", self.base)),
        })
    }

    fn refusal(&self, status: StatusCode, text: &str) -> anyhow::Error {
        let Ok(problem) = serde_json::from_str::<Value>(text) else {
            return anyhow!("{} answered {status}: is that a proxy's admin listener?", self.base);
        };
        let mut told = problem["detail"].as_str().unwrap_or("refused").to_owned();
        for mistake in problem["errors"].as_array().into_iter().flatten() {
            let place = mistake["pointer"].as_str().or(mistake["parameter"].as_str());
            let detail = mistake["detail"].as_str().unwrap_or_default();
            told = format!("{told}\n  {}: {detail}", place.unwrap_or_default());
        }
        match status {
            StatusCode::UNAUTHORIZED => {
                anyhow!("{told}\n  `--token`, `--token-file` or PROCONSUL_TOKEN say who you are")
            }
            _ => anyhow!(told),
        }
    }
}

/// JSON of a file, or of standard input for `-`.
pub(super) fn read_json(file: &std::path::Path) -> anyhow::Result<Value> {
    let text = match file.as_os_str() == "-" {
        true => std::io::read_to_string(std::io::stdin())?,
        false => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?,
    };
    match serde_json::from_str(&text) {
        Ok(value) => Ok(value),
        Err(error) => bail!("{} is not JSON: {error}", file.display()),
    }
}
