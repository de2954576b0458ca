//! Names: short, printable, cheap to clone, and usable as a metric label as they are.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name, in bytes. Names are metric labels and log fields; longer ones hurt both.
pub const MAX_NAME_BYTES: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("is empty; allowed are 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_`, `.`, `:`, `/`")]
    Empty,
    /// More than [`MAX_NAME_BYTES`].
    #[error("has {0} bytes; allowed are 1 to {MAX_NAME_BYTES}")]
    TooLong(usize),
    /// A character that is not allowed.
    #[error("has the character {0:?}; allowed are letters, digits, `-`, `_`, `.`, `:`, `/`")]
    Character(char),
}

fn check(text: &str) -> Result<(), InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(InvalidName::TooLong(text.len()));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/[]".contains(c);
    match text.chars().find(|&c| !allowed(c)) {
        Some(c) => Err(InvalidName::Character(c)),
        None => Ok(()),
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident)+) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                check(text).map(|()| Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )+};
}

names! {
    /// A service: what routes point to, and what has endpoints.
    ServiceName
    /// A route: how a request finds its service.
    RouteName
    /// A listener: where requests come in.
    ListenerName
    /// A strategy: a configured plugin, or a built-in one by its own name.
    StrategyName
    /// An endpoint within its service. State follows it: the same id is the same instance.
    EndpointId
    /// An instance within its service, as it was registered. One whose host is a name with several
    /// addresses becomes several endpoints.
    InstanceId
    /// A room of its own for services: the same name in two namespaces is two services.
    Namespace
    /// Services that are operated on together.
    GroupName
    /// A health check: of `[checks]`, of a registration, or one that the registry makes itself.
    CheckName
    /// An alert rule: a table of `[alerts.rules]`, or a ready-made one.
    RuleName
    /// An alert channel: a table of `[alerts.channels]`.
    ChannelName
    /// A word by which services and instances are found.
    Tag
}

impl Namespace {
    /// Where a service is that names none.
    pub fn default_one() -> Self {
        Self("default".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_when_made() {
        assert_eq!(ServiceName::new("web-1.eu").unwrap().as_str(), "web-1.eu");
        assert_eq!(ServiceName::new(""), Err(InvalidName::Empty));
        assert_eq!(ServiceName::new("a b"), Err(InvalidName::Character(' ')));
        assert_eq!(ServiceName::new(&"x".repeat(200)), Err(InvalidName::TooLong(200)));
    }
}
