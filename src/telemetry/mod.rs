//! What the proxy says about itself: metric families, log set-up, access-log lines.
//!
//! Knows names and numbers, and nobody else's types: callers pass labels and get handles.

pub mod access_line;
pub mod access_log;
mod access_text;
pub mod address_text;
pub mod buffered;
pub mod clock;
pub mod gathering;
pub mod give_way;
pub mod json_line;
mod jwt_claim;
pub mod log;
pub mod metrics;
pub mod moment;
pub mod object;
pub mod otlp;
pub mod ring;
pub mod rotating_file;

pub use metrics::Metrics;
