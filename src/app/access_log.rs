//! Opening the access log that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use super::BuildError;
use crate::config::{self, AccessLogTarget};
use crate::telemetry::Metrics;
use crate::telemetry::access_line::{Choice, Form};
use crate::telemetry::access_log::AccessLog;

/// What a reload does with the access log.
pub(super) enum Change {
    Stays,
    /// `None` switches it off.
    Becomes(Option<Arc<AccessLog>>),
}

/// Opens it; a file is appended to.
pub(super) fn open(config: &config::AccessLog, metrics: &Metrics) -> Result<Change, BuildError> {
    let config::AccessLog {
        target,
        queue_lines,
        rotate,
        fields,
        request_headers,
        response_headers,
        mask_headers,
        mask_query,
        sample_2xx,
        user_id,
    } = config;
    let form = Form::new(Choice {
        fields: fields.clone(),
        request_headers: request_headers.clone(),
        response_headers: response_headers.clone(),
        mask_headers: mask_headers.clone(),
        mask_query: mask_query.clone(),
        sample_2xx: *sample_2xx,
        user_id: user_id.clone(),
    });
    let dropped = metrics.access_log_dropped();
    let (path, opened) = match target {
        AccessLogTarget::Off => return Ok(Change::Becomes(None)),
        AccessLogTarget::Stdout => {
            (PathBuf::from("stdout"), AccessLog::to_stdout(form, *queue_lines, dropped))
        }
        AccessLogTarget::File(path) => {
            (path.clone(), AccessLog::to_file(path, *rotate, form, *queue_lines, dropped))
        }
    };
    let log = opened.map_err(|error| BuildError::AccessLog { path, error })?;
    Ok(Change::Becomes(Some(Arc::new(log))))
}
