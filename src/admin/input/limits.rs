//! Bounds of what clients may send; what is beyond one is a mistake that names the bound.

use std::time::Duration;

/// Words that an instance or a service is found by.
pub const MAX_TAGS: usize = 64;
/// Free facts.
pub const MAX_METADATA: usize = 64;
pub const MAX_METADATA_KEY_BYTES: usize = 128;
pub const MAX_METADATA_VALUE_BYTES: usize = 1024;
/// `zone`, `kind`, `owner` and the like.
pub const MAX_WORD_BYTES: usize = 128;
/// Reasons and replacements, for people.
pub const MAX_TEXT_BYTES: usize = 512;
pub const MAX_CHECKS: usize = 16;
pub const MAX_CHECK_TEXT_BYTES: usize = 4096;
pub const MAX_CHECK_HEADERS: usize = 32;
pub const MAX_DEPENDENCIES: usize = 256;
pub const MAX_DEPRECATIONS: usize = 32;
pub const MAX_URL_BYTES: usize = 2048;
/// Heart-beats of one request.
pub const MAX_BEATS: usize = 10_000;
pub const MIN_TTL: Duration = Duration::from_millis(100);
pub const MAX_TTL: Duration = Duration::from_secs(24 * 3600);
/// The longest that a blocking query waits.
pub const MAX_WAIT: Duration = Duration::from_secs(600);
/// Things on one page.
pub const MAX_PAGE: usize = 1000;
pub const DEFAULT_PAGE: usize = 100;
