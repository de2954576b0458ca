//! How well an instance is.

use std::fmt;

/// What a check says, and what several of them together say. Ordered: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HealthStatus {
    /// It takes requests.
    Passing,
    /// It takes requests, and somebody should look.
    Warning,
    /// It takes no requests.
    Critical,
}

impl HealthStatus {
    /// All, from best to worst.
    pub const ALL: [HealthStatus; 3] =
        [HealthStatus::Passing, HealthStatus::Warning, HealthStatus::Critical];

    /// The word in metrics, API and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Passing => "passing",
            HealthStatus::Warning => "warning",
            HealthStatus::Critical => "critical",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one look at an instance gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub status: HealthStatus,
    /// Why, for a person: `status 503, expected 200-299`. Cut at [`MAX_REASON_BYTES`].
    pub reason: String,
}

/// A longer reason is cut.
pub const MAX_REASON_BYTES: usize = 512;

impl Verdict {
    /// A verdict, its reason cut to what is kept.
    pub fn new(status: HealthStatus, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON_BYTES {
            let cut = (0..=MAX_REASON_BYTES).rev().find(|&at| reason.is_char_boundary(at));
            reason.truncate(cut.unwrap_or(0));
        }
        Self { status, reason }
    }
}
