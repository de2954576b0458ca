//! `[alerts.rules.<name>]`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

use super::Time;

/// When something is wrong, and what is said then. What is not given is as the kind has it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertRule {
    /// What kind of rule it is: `error-rate`, `latency`, `throughput`, `unhealthy-instances`,
    /// `healthy-share`, `no-instance`, `check-failures`, `cpu`, `memory`, `disk`, `connections`,
    /// `dependency`, `plugin-tripped`, `plugin-fallbacks`, `reload-refused`, `proxy-cpu`,
    /// `proxy-memory`, `proxy-open-files`, `growth`, `change`, `absent`. Default: the one of the
    /// rule's name, or none.
    pub kind: Option<String>,
    /// The metric that is looked at. Required without a kind.
    pub metric: Option<String>,
    /// What its labels must be like: `*` is any text, `|` separates choices, `!` in front means none
    /// of them.
    #[serde(rename = "where")]
    pub matchers: BTreeMap<String, String>,
    /// What is made of the samples in the window. Default: `last`.
    pub function: Option<AlertFunction>,
    /// How far back is looked. 1s to 1h. Default: 5m.
    pub window: Option<Time>,
    /// The quantile of a histogram that is looked at, between 0 and 1.
    pub quantile: Option<f64>,
    /// The labels by which series are taken together. Default: each series is by itself; of quantiles
    /// and quotients, `service` where the metric has it.
    pub by: Option<Vec<String>>,
    /// What is made of series that are taken together. Default: `sum`.
    pub aggregate: Option<AlertAggregate>,
    /// What the metric is divided by, summed likewise.
    pub divided_by: Option<AlertDivisor>,
    /// How it is compared with the threshold: `>`, `>=`, `<`, `<=`, `==`, `!=`. Default: `>`.
    pub op: Option<AlertOp>,
    /// The number beyond which it is wrong, with or without a unit: `0.05`, `"5%"`, `"250ms"`,
    /// `"1GiB"`.
    pub threshold: Option<AlertThreshold>,
    /// How long it must be wrong before it is told. 0s to 24h. Default: 0s.
    #[serde(rename = "for")]
    pub hold: Option<Time>,
    /// How long it is told on when it is over. 0s to 24h. Default: 0s.
    pub keep_firing_for: Option<Time>,
    /// Only these services, as in `where`.
    pub service: Option<String>,
    /// Only these instances.
    pub instance: Option<String>,
    /// Only these routes.
    pub route: Option<String>,
    /// Only these plugins: the label `strategy`, `check` or `plugin`.
    pub plugin: Option<String>,
    /// Only proxies on these machines; alerts have the label `node` then.
    pub node: Option<String>,
    /// How bad it is, for people and for routing. Default: `warning`.
    pub severity: Option<String>,
    /// Who is told, by names of `[alerts.channels]`. Default: whoever is told by default.
    pub channels: Vec<String>,
    /// Labels that its alerts have besides.
    pub labels: BTreeMap<String, String>,
    /// What is said, with `{{ service }}` for a label, `{{ value }}`, `{{ threshold }}`,
    /// `{{ window }}`, `{{ number|percent }}`. Default: a `summary`.
    pub annotations: BTreeMap<String, String>,
    /// Whether it is evaluated. Default: true.
    pub enabled: Option<bool>,
}

/// What is made of a series' samples in the window.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertFunction {
    /// The newest value.
    Last,
    /// How fast a counter grows, in a second.
    Rate,
    /// By how much a counter grew.
    Increase,
    /// By how much a gauge changed.
    Delta,
    /// The same as a share of what it was.
    Change,
    /// The mean.
    Avg,
    /// The least.
    Min,
    /// The most.
    Max,
}

/// What is made of series that are taken together.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertAggregate {
    /// Their sum.
    Sum,
    /// Their mean.
    Avg,
    /// The least of them.
    Min,
    /// The greatest of them.
    Max,
    /// How many they are.
    Count,
}

/// What a metric is divided by.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AlertDivisor {
    /// Default: the rule's own metric.
    pub metric: Option<String>,
    /// What its labels must be like.
    #[serde(rename = "where")]
    pub matchers: BTreeMap<String, String>,
    /// While it is less than this, nothing is said. Default: 0.
    pub at_least: Option<f64>,
}

/// How a number is compared with the threshold.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum AlertOp {
    /// More than it.
    #[serde(rename = ">")]
    Above,
    /// As much or more.
    #[serde(rename = ">=")]
    AtLeast,
    /// Less than it.
    #[serde(rename = "<")]
    Below,
    /// As much or less.
    #[serde(rename = "<=")]
    AtMost,
    /// Exactly it.
    #[serde(rename = "==")]
    Equal,
    /// Anything else.
    #[serde(rename = "!=")]
    NotEqual,
}

/// A number, or a text with a unit.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertThreshold {
    Number(f64),
    Text(String),
}

struct ThresholdVisitor;

impl Visitor<'_> for ThresholdVisitor {
    type Value = AlertThreshold;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text such as \"5%\", \"250ms\", \"1GiB\"")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<AlertThreshold, E> {
        Ok(AlertThreshold::Number(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<AlertThreshold, E> {
        Ok(AlertThreshold::Number(number as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AlertThreshold, E> {
        Ok(AlertThreshold::Text(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for AlertThreshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ThresholdVisitor)
    }
}

impl JsonSchema for AlertThreshold {
    fn schema_name() -> Cow<'static, str> {
        "AlertThreshold".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["number", "string"],
            "description": "A number, with or without a unit.",
            "examples": [0.05, "5%", "250ms", "1GiB"],
        })
    }
}
