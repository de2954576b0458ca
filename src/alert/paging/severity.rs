//! How bad an alert is said to be.

use crate::model::Labels;

/// The label that says it.
pub const SEVERITY_LABEL: &str = "severity";

/// Words that people use, from the mildest on. One that is not among them is as bad as a warning.
const WORDS: [&[&str]; 4] = [
    &["debug", "none"],
    &["info", "notice", "low"],
    &["warning", "warn", "medium"],
    &["critical", "error", "high", "page", "emergency"],
];

/// The place of a warning among [`WORDS`].
const WARNING: usize = 2;

/// Larger is worse.
pub(super) fn severity(labels: &Labels) -> usize {
    let Some(word) = labels.get(SEVERITY_LABEL) else { return WARNING };
    WORDS.iter().position(|words| words.contains(&word.as_str())).unwrap_or(WARNING)
}
