//! What the proxy leaves in writing: records, and the writers that they go to.
//!
//! Two kinds of record have one form: what the process says of itself ([`subscriber`], from `tracing`), and
//! requests ([`access_log`](super::access_log)). A [`writer`] is a thread behind a bounded queue; whoever says
//! something never waits for a disk or a network.

mod event;
mod level;
mod levels;
mod record;
mod sink;
mod subscriber;
mod syslog;
mod writer;

pub(in crate::telemetry) use event::{colour_of, push_plain};
pub use level::Level;
pub use levels::{ConfiguredLevel, Levels, NoSuchWriter, SetLevel, WriterLevel};
pub use record::{Format, Head, Kind, Record, Severity};
pub use sink::Destination;
pub use subscriber::{EventOutlet, set_outlets, start};
pub use syslog::{FACILITIES, SyslogAddress};
pub use writer::Writer;
