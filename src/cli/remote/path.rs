//! Paths of the API, and parameters that several of them have.

use clap::Args;

use super::client::Query;

/// In which room of services.
#[derive(Debug, Args)]
pub struct InNamespace {
    /// The namespace; `default` if absent
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
}

impl InNamespace {
    pub(super) fn query(&self) -> Query {
        given([("namespace", self.namespace.clone())])
    }
}

/// How far to look back, and which page of it to show.
#[derive(Debug, Args)]
pub struct LookBack {
    /// Not older than this: 2030-01-31T00:00:00Z
    #[arg(long)]
    since: Option<String>,
    /// Go on after a page: its `next`
    #[arg(long, visible_alias = "after", value_name = "NEXT")]
    before: Option<u64>,
    #[arg(long)]
    limit: Option<u32>,
}

impl LookBack {
    pub(super) fn query(self) -> Query {
        let Self { since, before, limit } = self;
        given([
            ("since", since),
            ("before", before.map(|before| before.to_string())),
            ("limit", limit.map(|limit| limit.to_string())),
        ])
    }
}

/// The parameters that have a value.
pub(super) fn given<const N: usize>(pairs: [(&'static str, Option<String>); N]) -> Query {
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// One part of a path, its special characters written so that they mean themselves.
pub(super) fn part(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    let write = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(write).collect()
}

pub(super) fn service(name: &str) -> String {
    format!("/v1/services/{}", part(name))
}

pub(super) fn instance(service_name: &str, id: &str) -> String {
    format!("{}/instances/{}", service(service_name), part(id))
}
