//! Picking alerts by their labels.

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};

use crate::model::Labels;

/// One condition, as Alertmanager writes it: `service="web"`, `zone!=b`, `instance=~"web-.*"`, `team!~x|y`.
/// A label that is not there is the empty text; a regular expression has to match the whole value.
#[derive(Debug, Clone)]
pub struct Matcher {
    label: String,
    operator: Operator,
    value: String,
    regex: Option<Regex>,
}

/// All of them have to hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Matchers(pub Vec<Matcher>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Matches,
    MatchesNot,
}

/// Those of two signs first: `=` is how they begin.
const OPERATORS: [(&str, Operator); 4] = [
    ("=~", Operator::Matches),
    ("!~", Operator::MatchesNot),
    ("!=", Operator::IsNot),
    ("=", Operator::Is),
];

/// Expressions that need more memory than this are refused.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// Why a text is no matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    #[error("`{0}` is no matcher (allowed: LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX, LABEL!~REGEX)")]
    Form(String),
    #[error("`{0}` is no regular expression: {1}")]
    Regex(String, String),
}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let wrong = || MatcherError::Form(text.to_owned());
        let sign = text.find(['=', '!']).ok_or_else(wrong)?;
        let (label, rest) = text.split_at(sign);
        let (value, operator) = OPERATORS
            .iter()
            .find_map(|(sign, operator)| Some((rest.strip_prefix(sign)?, *operator)))
            .ok_or_else(wrong)?;
        let label = label.trim();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':');
        if label.is_empty() || !label.chars().all(is_name) {
            return Err(wrong());
        }
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = quoted.unwrap_or(value).to_owned();
        let regex = match operator {
            Operator::Is | Operator::IsNot => None,
            Operator::Matches | Operator::MatchesNot => {
                let refused =
                    |error: regex::Error| MatcherError::Regex(value.clone(), error.to_string());
                let build = |expression: &str| {
                    RegexBuilder::new(expression).size_limit(MAX_REGEX_BYTES).build()
                };
                // By itself first: `a)|(?:b` would get out of what is put around it.
                build(&value).map_err(refused)?;
                let whole = build(&format!("^(?:{value})$"));
                Some(whole.map_err(refused)?)
            }
        };
        Ok(Self { label: label.to_owned(), operator, value, regex })
    }
}

/// Reads the same back.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = OPERATORS.iter().find(|(_, operator)| *operator == self.operator);
        let sign = sign.map_or("=", |(sign, _)| sign);
        write!(f, "{}{sign}\"{}\"", self.label, self.value)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.operator, &self.value) == (&other.label, other.operator, &other.value)
    }
}

impl Matcher {
    /// Whether an alert with these labels is meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        let fits = || self.regex.as_ref().is_some_and(|regex| regex.is_match(value));
        match self.operator {
            Operator::Is => value == self.value,
            Operator::IsNot => value != self.value,
            Operator::Matches => fits(),
            Operator::MatchesNot => !fits(),
        }
    }
}

impl Matchers {
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn each_operator_holds_as_in_alertmanager() {
        let web = labels(&[("service", "web-1"), ("zone", "a=b")]);
        for (text, expected) in [
            ("service=web-1", true),
            ("service=\"web-1\"", true),
            ("service = web", false),
            ("service!=web", true),
            ("service=~web-.*", true),
            ("service=~web", false), // the whole value
            ("service!~web|db", true),
            ("zone=a=b", true),
            ("team=", true), // what is not there is empty
            ("team!=x", true),
            ("team=~.+", false),
        ] {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(matcher.matches(&web), expected, "{text}");
            assert_eq!(matcher.to_string().parse::<Matcher>().unwrap(), matcher, "{text}");
        }
    }

    #[test]
    fn what_is_no_matcher_is_said() {
        for text in ["", "service", "=x", "a b=c", "!x", "a!b"] {
            assert!(matches!(text.parse::<Matcher>(), Err(MatcherError::Form(_))), "{text}");
        }
        let huge = format!("a=~{}", "(x{1000}){1000}");
        for text in ["a=~(", "a=~x)|(?:y", huge.as_str()] {
            assert!(matches!(text.parse::<Matcher>(), Err(MatcherError::Regex(..))), "{text}");
        }
    }
}
