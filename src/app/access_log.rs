//! Opening the access log that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use super::BuildError;
use crate::config::{self, AccessLogTarget};
use crate::telemetry::Metrics;
use crate::telemetry::access_log::AccessLog;

/// What a reload does with the access log.
pub(super) enum Change {
    Stays,
    /// `None` switches it off.
    Becomes(Option<Arc<AccessLog>>),
}

/// Opens it; a file is appended to.
pub(super) fn open(config: &config::AccessLog, metrics: &Metrics) -> Result<Change, BuildError> {
    let config::AccessLog { target, queue_lines } = config;
    let dropped = metrics.access_log_dropped();
    let (path, opened) = match target {
        AccessLogTarget::Off => return Ok(Change::Becomes(None)),
        AccessLogTarget::Stdout => {
            (PathBuf::from("stdout"), AccessLog::to_stdout(*queue_lines, dropped))
        }
        AccessLogTarget::File(path) => {
            (path.clone(), AccessLog::to_file(path, *queue_lines, dropped))
        }
    };
    let log = opened.map_err(|error| BuildError::AccessLog { path, error })?;
    Ok(Change::Becomes(Some(Arc::new(log))))
}
