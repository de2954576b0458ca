//! `/v1/log/level`: how much the process says, for a while.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::proxy::Listed;
use super::words::rfc3339;
use crate::admin::auth::Administrator;
use crate::admin::input::{At, Body, Mistakes};
use crate::admin::problem::Problem;
use crate::model::UnixMillis;
use crate::telemetry::log::{Level, Levels, SetLevel, WriterLevel};

const MAX_SECONDS: u64 = 7 * 24 * 3600;
const MAX_LEVEL_BYTES: usize = 1024;

/// How much is to be said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLevelBody {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`; also by module: `info,proconsul::plugin=debug`. If absent,
    /// what is configured holds again.
    #[schema(min_length = 1, max_length = 1024, example = "info,proconsul::plugin=debug")]
    pub level: Option<String>,
    /// A writer of events; if absent, all that have no level of their own.
    pub writer: Option<String>,
    /// After which what is configured holds again; if absent, it does at a restart, or when the configuration
    /// names another level.
    #[schema(minimum = 1, maximum = 604800)]
    pub seconds: Option<u64>,
}

/// How much a writer is told.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogLevelView {
    pub writer: String,
    /// What holds.
    pub level: String,
    /// What the configuration says.
    pub configured: String,
    /// When what is configured holds again.
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

impl From<WriterLevel> for LogLevelView {
    fn from(of: WriterLevel) -> Self {
        let WriterLevel { writer, configured, set } = of;
        let level = set.as_ref().map_or(&configured, |set| &set.level).to_string();
        let until = set.and_then(|set| set.until).map(|until| rfc3339(UnixMillis::of(until)));
        Self { writer, level, configured: configured.to_string(), until }
    }
}

impl LogLevelBody {
    /// The writer, and what is to hold for it.
    fn read(self, mistakes: &mut Mistakes) -> Option<(Option<String>, Option<SetLevel>)> {
        let Self { level, writer, seconds } = self;
        let at = At::ROOT;
        if seconds.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
            mistakes.add(&at.key("seconds"), format!("is out of range: 1 to {MAX_SECONDS}"));
            return None;
        }
        let Some(level) = level else {
            if seconds.is_some() {
                mistakes.add(&at.key("seconds"), "needs a `level`");
            }
            return Some((writer, None));
        };
        let read = level.parse::<Level>().ok().filter(|_| level.len() <= MAX_LEVEL_BYTES);
        let read = read.ok_or_else(|| format!("is no log level; allowed: {}", Level::ALLOWED));
        let level = mistakes.take(&at.key("level"), read)?;
        let until = seconds.map(|seconds| SystemTime::now() + Duration::from_secs(seconds));
        Some((writer, Some(SetLevel { level, until })))
    }
}

fn listed(levels: &Levels) -> Json<Listed<LogLevelView>> {
    Json(Listed { items: levels.list().into_iter().map(LogLevelView::from).collect() })
}

/// How much each writer of the log is told.
#[utoipa::path(
    get,
    path = "/v1/log/level",
    operation_id = "get_log_level",
    tag = "operation",
    responses((status = 200, body = Listed<LogLevelView>))
)]
pub(super) async fn get(State(api): State<Api>, _: Administrator) -> Json<Listed<LogLevelView>> {
    listed(&api.levels)
}

/// Tell the log more or less from now on, or for a while.
#[utoipa::path(
    put,
    path = "/v1/log/level",
    operation_id = "set_log_level",
    tag = "operation",
    request_body = LogLevelBody,
    responses((status = 200, body = Listed<LogLevelView>))
)]
pub(super) async fn set(
    State(api): State<Api>,
    Administrator(caller): Administrator,
    body: Body<LogLevelBody>,
) -> Result<Json<Listed<LogLevelView>>, Problem> {
    let (writer, set) = body.convert(LogLevelBody::read)?;
    api.levels.set(writer.as_deref(), set.as_ref()).map_err(|_| {
        Problem::not_found(match &writer {
            Some(writer) => format!("no writer `{writer}` takes events"),
            None => "each writer has a level of its own: name one".to_owned(),
        })
    })?;
    if let Some(until) = set.and_then(|set| set.until) {
        let levels = api.levels.clone();
        tokio::spawn(async move {
            // The system's clock decides, which may have been set meanwhile.
            while let Ok(left) = until.duration_since(SystemTime::now()) {
                tokio::time::sleep(left.max(Duration::from_millis(1))).await;
            }
            levels.expire(SystemTime::now());
        });
    }
    let views = listed(&api.levels);
    api.done(&caller, "log.level", writer.as_deref().unwrap_or("*"), &views.0);
    Ok(views)
}
