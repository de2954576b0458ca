//! What a label must be like: `web`, `api-*`, `4xx|5xx`; a `!` in front turns it round.
//!
//! Globs rather than regular expressions: they need no escaping of the dots and dashes that names are full
//! of, and are matched without backtracking.

use std::fmt;

/// A pattern for the value of a label. A label that is not there is an empty text, as in Prometheus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    negated: bool,
}

impl Pattern {
    /// Takes any text: `|` separates what is allowed, `*` is any number of characters.
    pub fn new(text: &str) -> Self {
        match text.strip_prefix('!') {
            Some(rest) => Self { text: rest.into(), negated: true },
            None => Self { text: text.into(), negated: false },
        }
    }

    /// Whether a value is as it must be.
    pub fn matches(&self, value: &str) -> bool {
        self.text.split('|').any(|glob| fits(glob.as_bytes(), value.as_bytes())) != self.negated
    }

    /// The only value that it allows, if there is only one.
    pub fn exact(&self) -> Option<&str> {
        (!self.negated && !self.text.contains(['*', '|'])).then_some(&self.text)
    }
}

/// Goes back to the last star only, which is enough: an earlier one could take nothing that this cannot.
fn fits(glob: &[u8], value: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < value.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == value[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match &mut star {
                Some((place, taken)) => {
                    *taken += 1;
                    (at, seen) = (*place + 1, *taken);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.negated { "!" } else { "" }, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_people_expect() {
        let cases = [
            ("web", "web", true),
            ("web", "web2", false),
            ("web*", "web", true),
            ("*-api", "shop-api", true),
            ("*-api", "shop-api-2", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("4xx|5xx", "5xx", true),
            ("4xx|5xx", "2xx", false),
            ("!2xx|3xx", "2xx", false),
            ("!2xx|3xx", "5xx", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("!", "x", true),
        ];
        for (pattern, value, fits) in cases {
            assert_eq!(Pattern::new(pattern).matches(value), fits, "{pattern} {value}");
        }
        assert_eq!(Pattern::new("web").exact(), Some("web"));
        assert_eq!(Pattern::new("!web").exact(), None);
    }

    #[test]
    fn a_hostile_pattern_costs_the_product_of_the_lengths_at_most() {
        let pattern = Pattern::new(&"*a".repeat(200));
        assert!(!pattern.matches(&"b".repeat(100_000)));
    }
}
