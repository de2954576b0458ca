//! The shape of a scenario file.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::config::Time;

/// A whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What the plugin's `random` gives, and what simulated traffic is drawn from.
    #[serde(default = "one")]
    pub seed: u64,
    /// The strategy's `config` table.
    #[serde(default)]
    pub config: toml::Table,
    /// Where the proxy runs.
    #[serde(default)]
    pub node: Node,
    /// What there is before the first step.
    pub endpoints: Vec<Endpoint>,
    /// The plugin must refuse `config`, with a message that contains this.
    pub refused: Option<String>,
    #[serde(default, rename = "step")]
    pub steps: Vec<Spanned<Step>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Node {
    pub zone: String,
    pub region: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub id: String,
    #[serde(default = "one")]
    pub weight: i64,
    #[serde(default)]
    pub zone: String,
    #[serde(default)]
    pub region: String,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// One step: changes first, in the order of these fields; then picks; then what must have come.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// For people, and for the message when it fails.
    pub about: String,

    pub remove: Vec<String>,
    pub add: Vec<Endpoint>,
    pub weight: BTreeMap<String, i64>,
    /// Time that passes: averages fade.
    pub advance: Option<Time>,
    /// Requests in flight.
    pub active: BTreeMap<String, u32>,
    /// The moving average of the response time; `0s` = no sample yet.
    pub latency: BTreeMap<String, Time>,
    pub reported: BTreeMap<String, Reported>,

    pub pick: Option<Pick>,
    pub simulate: Option<Simulate>,

    pub expect: Option<Expect>,
    /// How far a share in `expect` may be off.
    pub within: Option<f64>,
    /// Each client had one endpoint only.
    pub sticky: bool,
    /// The tries of one request went to different endpoints.
    pub distinct: bool,
    /// The share of the clients that have another endpoint than at the last step that had clients.
    pub moved_at_most: Option<f64>,
    /// The share that no endpoint may exceed.
    pub max_share: Option<f64>,
    /// Requests in flight that no endpoint may have had during `simulate`.
    pub max_active: Option<u32>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reported {
    pub cpu: Option<f32>,
    pub memory: Option<f32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pick {
    /// How many requests; with `clients`, how many of each.
    pub times: u32,
    /// All of them have this affinity key.
    pub key: Option<String>,
    /// So many clients with a key each.
    pub clients: Option<u32>,
    /// The first try's number.
    pub attempt: u32,
    /// How often each request is tried.
    pub tries: u32,
    /// Picked endpoints keep the request in flight.
    pub hold: bool,
    pub request: Request,
}

impl Default for Pick {
    fn default() -> Self {
        Self {
            times: 1,
            key: None,
            clients: None,
            attempt: 0,
            tries: 1,
            hold: false,
            request: Request::default(),
        }
    }
}

/// What the `request` interface says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub host: String,
    pub headers: BTreeMap<String, String>,
    pub client_ip: Option<std::net::IpAddr>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".into(),
            path: "/".into(),
            host: String::new(),
            headers: BTreeMap::new(),
            client_ip: None,
        }
    }
}

/// Requests that arrive at random moments, each in flight for its endpoint's service time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulate {
    pub requests: u32,
    /// Arrivals a second, on average.
    pub rate: f64,
    pub service: Service,
    /// So many clients with an affinity key each, in turn; absent: no keys.
    pub clients: Option<u32>,
    /// Endpoints whose responses are failures.
    #[serde(default)]
    pub failing: Vec<String>,
}

/// How long endpoints take.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a duration such as \"10ms\", or one for each endpoint such as { a = \"10ms\", b = \"50ms\" }"
)]
pub enum Service {
    Every(Time),
    Each(BTreeMap<String, Time>),
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "\"none\", a sequence such as [\"a\", \"b\"], or counts or shares such as { a = 10, b = 0.25 }"
)]
pub enum Expect {
    /// `"none"`: never an answer.
    Word(NoAnswer),
    /// These, in this order; `"none"` for no answer.
    Sequence(Vec<String>),
    /// So many or such a share each; endpoints that are not named may have what is left.
    Amounts(BTreeMap<String, Amount>),
}

#[derive(Debug, Deserialize)]
pub enum NoAnswer {
    #[serde(rename = "none")]
    None,
}

/// A whole number is a count, one with a point a share.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    Count(u64),
    Share(f64),
}

fn one<N: From<u8>>() -> N {
    N::from(1)
}

impl Scenario {
    /// Reads a file's text; the error names the line.
    pub fn read(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            (line_of(text, at), error.message().to_owned())
        })
    }
}

/// The line of a place in a text, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_counts_or_shares() {
        let text = "endpoints = [{ id = 'a' }]\n[[step]]\nexpect = { a = 10, b = 0.5 }\n";
        let scenario = Scenario::read(text).unwrap();
        let Some(Expect::Amounts(amounts)) = &scenario.steps[0].as_ref().expect else { panic!() };
        assert!(matches!(amounts["a"], Amount::Count(10)));
        assert!(matches!(amounts["b"], Amount::Share(share) if share == 0.5));
        assert_eq!(line_of(text, scenario.steps[0].span().start), 2);
    }

    #[test]
    fn mistakes_name_their_line() {
        let mistake = |text| Scenario::read(text).expect_err("a mistake");
        let (line, message) = mistake("endpoints = []\n\n[[step]]\nexpects = 1\n");
        assert_eq!(line, 4, "{message}");
        assert!(message.contains("unknown field `expects`"), "{message}");
        let (line, message) = mistake("endpoints = []\n[[step]]\nexpect = 'nobody'\n");
        assert_eq!(line, 3, "{message}");
        assert!(message.contains("\"none\", a sequence"), "{message}");
    }
}
