//! What is worth writing down though it changes nothing that the registry holds.
//!
//! Knows not how it is written: the writer does that, along with its next commit.

use super::change::Author;
use crate::model::ServiceKey;

/// Something to be written down.
#[derive(Debug, Clone)]
pub enum Note {
    /// Too few of a service's endpoints are well, and requests go to all of them; or no longer.
    Panic { service: ServiceKey, message: String },
    /// Somebody did something, which the audit log is to show.
    Done {
        author: Author,
        /// Such as `backup.write`.
        action: &'static str,
        subject: String,
        after: String,
    },
}
