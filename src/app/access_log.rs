//! Opening the access log that a configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use super::BuildError;
use crate::config::{self, AccessLogTarget, Config};
use crate::telemetry::Metrics;
use crate::telemetry::access_line::{Choice, Form};
use crate::telemetry::access_log::AccessLog;

/// What a reload does with the access log.
pub(super) enum Change {
    Stays,
    /// `None` switches it off.
    Becomes(Option<Arc<AccessLog>>),
}

/// Whether the access log is as it was: a collector may hear of requests, too.
pub(super) fn stays(config: &Config, former: &Config) -> bool {
    config.access_log == former.access_log && is_exported(config) == is_exported(former)
}

fn is_exported(config: &Config) -> bool {
    config.otlp.as_ref().and_then(|otlp| otlp.logs.as_ref()).is_some_and(|logs| logs.access)
}

/// Opens it; a file is appended to.
pub(super) fn open(config: &Config, metrics: &Metrics) -> Result<Change, BuildError> {
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
    } = &config.access_log;
    let exported = is_exported(config);
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
        AccessLogTarget::Off if !exported => return Ok(Change::Becomes(None)),
        AccessLogTarget::Off => (PathBuf::new(), Ok(AccessLog::unwritten(form, dropped))),
        AccessLogTarget::Stdout => {
            (PathBuf::from("stdout"), AccessLog::to_stdout(form, *queue_lines, dropped))
        }
        AccessLogTarget::File(path) => {
            (path.clone(), AccessLog::to_file(path, *rotate, form, *queue_lines, dropped))
        }
    };
    let log = opened.map_err(|error| BuildError::AccessLog { path, error })?;
    Ok(Change::Becomes(Some(Arc::new(log.exported(exported)))))
}
