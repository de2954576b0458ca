//! Which events a writer takes: `info`, or `warn,proconsul::plugin=debug`.

use std::fmt;
use std::str::FromStr;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

const WORDS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Directives, ready for use.
#[derive(Debug, Clone)]
pub struct Level {
    text: String,
    targets: Targets,
    most: LevelFilter,
}

/// A text is no list of directives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no log level")]
pub struct InvalidLevel;

impl Level {
    /// What may be written.
    pub const ALLOWED: &str =
        "error, warn, info, debug, trace, off; also `module=level`, comma-separated";

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The most that any directive lets through.
    pub(super) fn most(&self) -> LevelFilter {
        self.most
    }

    pub(super) fn takes(&self, metadata: &Metadata<'_>) -> bool {
        self.targets.would_enable(metadata.target(), metadata.level())
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Level {}

impl FromStr for Level {
    type Err = InvalidLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLevel> {
        if !text.split(',').all(is_directive) {
            return Err(InvalidLevel);
        }
        let targets: Targets = text.parse().map_err(|_| InvalidLevel)?;
        let each = targets.iter().map(|(_, level)| level);
        let most = each.chain(targets.default_level()).max().unwrap_or(LevelFilter::OFF);
        Ok(Self { text: text.to_owned(), targets, most })
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `info`, or `proconsul::plugin=debug`.
fn is_directive(text: &str) -> bool {
    let (target, level) = text.split_once('=').unwrap_or(("any", text));
    let in_target = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !target.is_empty() && target.chars().all(in_target) && WORDS.contains(&level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_and_nothing_else() {
        let most = |text: &str| text.parse::<Level>().map(|level| level.most());
        assert_eq!(most("info"), Ok(LevelFilter::INFO));
        assert_eq!(most("warn,proconsul::plugin=debug"), Ok(LevelFilter::DEBUG));
        assert_eq!(most("off"), Ok(LevelFilter::OFF));
        for bad in ["", "verbose", "info,", "=info", "a b=info", "[span]=info", "a=b=info"] {
            assert_eq!(most(bad), Err(InvalidLevel), "{bad:?}");
        }
    }
}
