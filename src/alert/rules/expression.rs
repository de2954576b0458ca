//! What a rule measures: one small form, which every kind of rule is sugar for.
//!
//! It prints as what one would ask Prometheus, `sum by (service) (rate(requests_total{status="5xx"}[5m]))`,
//! which is also what tells two meanings apart.

use std::fmt;
use std::time::Duration;

use super::pattern::Pattern;
use crate::model::Labels;

/// What is made of a series' samples in a window. The names are those of PromQL, but for `change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
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
    Average,
    Least,
    Most,
}

impl Function {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Function::Last => "last",
            Function::Rate => "rate",
            Function::Increase => "increase",
            Function::Delta => "delta",
            Function::Change => "change",
            Function::Average => "avg_over_time",
            Function::Least => "min_over_time",
            Function::Most => "max_over_time",
        }
    }

    /// Whether it makes sense for counters, which only grow.
    pub fn is_for_counters(self) -> bool {
        matches!(self, Function::Rate | Function::Increase)
    }
}

/// What is made of the values of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    Sum,
    Average,
    Least,
    Most,
    Count,
}

impl Fold {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Fold::Sum => "sum",
            Fold::Average => "avg",
            Fold::Least => "min",
            Fold::Most => "max",
            Fold::Count => "count",
        }
    }
}

/// What one label must be like. Of several names, that which a series has counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    pub names: Vec<String>,
    pub pattern: Pattern,
}

impl Matcher {
    /// A pattern for one label.
    pub fn label(name: &str, pattern: &str) -> Self {
        Self { names: vec![name.to_owned()], pattern: Pattern::new(pattern) }
    }

    fn matches(&self, labels: &Labels) -> bool {
        let value = self.names.iter().find_map(|name| labels.get(name));
        self.pattern.matches(value.map_or("", String::as_str))
    }
}

/// Some series of a family, and what is made of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// As series are exposed: a histogram's have `_bucket`, `_sum`, `_count` at their end.
    pub family: String,
    pub matchers: Vec<Matcher>,
    pub function: Function,
    /// Zero where only the newest value counts.
    pub window: Duration,
}

impl Term {
    /// Whether a series is meant.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

/// Which series are taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grouping {
    /// None: each is by itself.
    Each,
    /// Those that have the same values of these labels; of no labels, all.
    By(Vec<String>),
}

/// How a number is made of series.
#[derive(Debug, Clone, PartialEq)]
pub enum Measure {
    /// The values of a group, folded.
    Fold { term: Term, fold: Fold },
    /// Prometheus's `histogram_quantile` over the buckets of a group.
    Quantile { term: Term, quantile: f64 },
    /// One sum over another; nothing while the latter is below `least`.
    Ratio { part: Term, whole: Term, least: f64 },
    /// 1 while no series is there.
    Absent { term: Term },
}

/// A number for each group.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    pub measure: Measure,
    pub grouping: Grouping,
}

impl Expression {
    /// The parts that are looked up.
    pub fn terms(&self) -> impl Iterator<Item = &Term> {
        let (first, second) = match &self.measure {
            Measure::Fold { term, .. } | Measure::Quantile { term, .. } => (term, None),
            Measure::Absent { term } => (term, None),
            Measure::Ratio { part, whole, .. } => (part, Some(whole)),
        };
        std::iter::once(first).chain(second)
    }
}

/// How a number is compared with the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
    NotEqual,
}

impl Comparison {
    /// Whether `value` is where it ought not to be. Never of what is no number.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Above => value > threshold,
            Comparison::AtLeast => value >= threshold,
            Comparison::Below => value < threshold,
            Comparison::AtMost => value <= threshold,
            Comparison::Equal => value == threshold,
            Comparison::NotEqual => value != threshold && !value.is_nan(),
        }
    }

    /// The operator.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, matchers, function, window } = self;
        let selector = |f: &mut fmt::Formatter<'_>| {
            f.write_str(family)?;
            for (i, Matcher { names, pattern }) in matchers.iter().enumerate() {
                let before = if i == 0 { "{" } else { "," };
                write!(f, "{before}{}={:?}", names.join("|"), pattern.to_string())?;
            }
            f.write_str(if matchers.is_empty() { "" } else { "}" })
        };
        if *function == Function::Last {
            return selector(f);
        }
        write!(f, "{}(", function.as_str())?;
        selector(f)?;
        write!(f, "[{}s])", window.as_secs_f64())
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match &self.grouping {
            Grouping::Each => " by (*)".to_owned(),
            Grouping::By(labels) if labels.is_empty() => String::new(),
            Grouping::By(labels) => format!(" by ({})", labels.join(", ")),
        };
        match (&self.measure, &self.grouping) {
            (Measure::Fold { term, fold: Fold::Sum }, Grouping::Each) => write!(f, "{term}"),
            (Measure::Fold { term, fold }, _) => write!(f, "{}{by} ({term})", fold.as_str()),
            (Measure::Quantile { term, quantile }, _) => {
                write!(f, "histogram_quantile({quantile}, sum{by} ({term}))")
            }
            (Measure::Ratio { part, whole, least }, _) => {
                write!(f, "sum{by} ({part}) / (sum{by} ({whole}) >= {least})")
            }
            (Measure::Absent { term }, _) => write!(f, "absent({term})"),
        }
    }
}
