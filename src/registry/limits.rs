//! Bounds of the registry that no configuration changes, and what happens at each.

use std::time::Duration;

/// Changes that wait for the writer; one more is refused as `Busy`.
pub(super) const MAX_WAITING_CHANGES: usize = 8192;

/// Changes of one commit; the others wait for the next.
pub(super) const MAX_BATCH: usize = 512;

/// Messages of health checks that wait for the writer; whoever sends one more waits too.
pub(super) const MAX_WAITING_VERDICTS: usize = 1024;

/// Notes that wait for the writer; one more is dropped, and logged.
pub(super) const MAX_WAITING_NOTES: usize = 1024;

/// Verdicts' messages that are published together.
pub(super) const MAX_VERDICTS_AT_ONCE: usize = 1024;

/// Events and audit records that wait to be written; the oldest is dropped, and counted, for one more.
pub(super) const MAX_UNSAVED: usize = 20_000;

/// So many unsaved ones are written without waiting for [`SAVE_AFTER`], and at most so many with one commit.
pub(super) const SAVE_AT: usize = 1024;

/// An event is written after this at the latest, and lost if the process is killed before.
pub(super) const SAVE_AFTER: Duration = Duration::from_secs(1);

/// Records are trimmed each time that so many were added.
pub(super) const TRIM_EVERY: u64 = 1000;

/// Indexes that may be given out before the store is told of it, which is after [`SAVE_AFTER`].
pub(super) const INDEXES_AHEAD: u64 = 1 << 20;

/// After a failed commit, what nobody waits for is tried again after this.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Time-to-lives and drains are looked at together, at most this often.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Time-to-lives that are looked at before other work has its turn.
pub(super) const MAX_LAPSES_AT_ONCE: usize = 4096;
