//! What a writer is given.

/// How important a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warn,
    Info,
    Debug,
}

impl Severity {
    /// Of a response; 0 is none at all.
    pub fn of_status(status: u16) -> Self {
        match status {
            500.. => Self::Error,
            0 | 400.. => Self::Warn,
            _ => Self::Info,
        }
    }

    pub(super) fn of_event(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => Self::Debug,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// What a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Access,
    Event,
}

/// How a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
    /// For people at a terminal.
    Coloured,
}

/// What a writer may have to say of a line elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub kind: Kind,
    pub severity: Severity,
    pub unix_ms: u64,
}

/// A line with its head.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub head: Head,
    /// With its newline; no other is in it.
    pub line: &'a [u8],
}
