//! `/v1/alerts`: what fires, and alerts from outside, in Alertmanager's own form.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::proxy::Listed;
use super::words::{moment, rfc3339};
use super::{Api, now};
use crate::admin::auth::{Operator, Viewer};
use crate::admin::input::{At, Body, Mistakes};
use crate::admin::problem::Problem;
use crate::alert::desk::{AlertView, DeskError, Foreign};
use crate::alert::paging::Mute;
use crate::model::{Alert, Labels};

/// Alerts of one request.
const MAX_ALERTS: usize = 1000;
/// Labels and annotations of one alert, each.
const MAX_LABELS: usize = 64;
const MAX_NAME_BYTES: usize = 128;
const MAX_VALUE_BYTES: usize = 4096;
/// All of them of one alert together.
const MAX_ALERT_BYTES: usize = 64 << 10;

/// An alert, as it is told or not.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertBody {
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    pub starts_at: String,
    #[schema(format = DateTime)]
    pub ends_at: Option<String>,
    pub state: AlertState,
    /// Why it is suppressed: a silence's id, or the labels of the alert that stands for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
    /// Who is told.
    pub channels: Vec<String>,
    /// It came over the API, not from a rule.
    pub external: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum AlertState {
    Firing,
    /// It fires, and is silenced, or another alert explains it.
    Suppressed,
    /// It is over, and that is still to be told.
    Resolved,
}

impl From<AlertView> for AlertBody {
    fn from(view: AlertView) -> Self {
        let AlertView { alert, channels, mute, foreign } = view;
        let state = match (&mute, alert.ended) {
            (_, Some(_)) => AlertState::Resolved,
            (Some(_), None) => AlertState::Suppressed,
            (None, None) => AlertState::Firing,
        };
        Self {
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at: rfc3339(alert.started),
            ends_at: alert.ended.map(rfc3339),
            state,
            suppressed_by: mute.map(why),
            channels: channels.iter().map(ToString::to_string).collect(),
            external: foreign,
        }
    }
}

fn why(mute: Mute) -> String {
    match mute {
        Mute::Silenced(id) => format!("silence {id}"),
        Mute::Inhibited(labels) => format!("inhibited by {}", words(&labels)),
        Mute::Explained(labels) => format!("explained by {}", words(&labels)),
    }
}

fn words(labels: &Labels) -> String {
    let each = labels.iter().map(|(name, value)| format!("{name}={value}"));
    each.collect::<Vec<_>>().join(" ")
}

/// An alert from outside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostedAlert {
    /// Who it is: two with the same labels are one. `alertname` is required.
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Now if absent.
    #[serde(rename = "startsAt")]
    #[schema(format = DateTime)]
    pub starts_at: Option<String>,
    /// If absent, it is over when it is not sent again for the configured `resolve_timeout`.
    #[serde(rename = "endsAt")]
    #[schema(format = DateTime)]
    pub ends_at: Option<String>,
    /// Where it comes from; kept as the annotation `generator_url`.
    #[serde(rename = "generatorURL", default)]
    pub generator_url: String,
}

impl PostedAlert {
    fn read(self, at: &At<'_>, mistakes: &mut Mistakes) -> Option<Alert> {
        let Self { labels, mut annotations, starts_at, ends_at, generator_url } = self;
        for (what, pairs) in [("labels", &labels), ("annotations", &annotations)] {
            let at = at.key(what);
            if pairs.len() > MAX_LABELS {
                mistakes.add(&at, format!("has more than {MAX_LABELS} entries"));
            }
            for (name, value) in pairs {
                if name.is_empty() || name.len() > MAX_NAME_BYTES || value.len() > MAX_VALUE_BYTES {
                    let bounds = format!(
                        "will not do; allowed are 1 to {MAX_NAME_BYTES} bytes for its name, \
                         and up to {MAX_VALUE_BYTES} for its value"
                    );
                    mistakes.add(&at.key(name), bounds);
                }
            }
        }
        if generator_url.len() > MAX_VALUE_BYTES {
            mistakes.add(&at.key("generatorURL"), format!("has more than {MAX_VALUE_BYTES} bytes"));
        }
        let words = labels.iter().chain(&annotations);
        let bytes: usize = words.map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_ALERT_BYTES {
            mistakes.add(at, format!("says more than {MAX_ALERT_BYTES} bytes in all"));
        }
        if labels.get("alertname").is_none_or(String::is_empty) {
            mistakes.add(&at.key("labels"), "needs an `alertname`");
        }
        let mut time = |key: &str, text: Option<String>| {
            text.map(|text| mistakes.take(&at.key(key), moment(&text))).unwrap_or_default()
        };
        let (started, ended) = (time("startsAt", starts_at), time("endsAt", ends_at));
        if !generator_url.is_empty() {
            annotations.entry("generator_url".to_owned()).or_insert(generator_url);
        }
        Some(Alert { labels, annotations, started: started.unwrap_or_else(now), ended })
    }
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        let (status, kind) = match error {
            DeskError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            DeskError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            DeskError::NotKept => (StatusCode::SERVICE_UNAVAILABLE, "store"),
            DeskError::Full { .. } => (StatusCode::CONFLICT, "full"),
        };
        Problem::new(status, kind, error.to_string())
    }
}

/// List alerts: those that fire, and those whose end is still to be told.
#[utoipa::path(
    get,
    path = "/v1/alerts",
    operation_id = "list_alerts",
    tag = "alerts",
    responses((status = 200, body = Listed<AlertBody>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
) -> Result<Json<Listed<AlertBody>>, Problem> {
    let alerts = api.desk.alerts().await?;
    Ok(Json(Listed { items: alerts.into_iter().map(AlertBody::from).collect() }))
}

/// Send alerts from outside, as to Prometheus's Alertmanager.
#[utoipa::path(
    post,
    path = "/v1/alerts",
    operation_id = "post_alerts",
    tag = "alerts",
    request_body = Vec<PostedAlert>,
    responses((status = 202, description = "They are grouped and told as all alerts are"))
)]
pub(super) async fn post(
    State(api): State<Api>,
    _: Operator,
    body: Body<Vec<PostedAlert>>,
) -> Result<StatusCode, Problem> {
    let alerts = body.convert(|posted, mistakes| {
        if posted.len() > MAX_ALERTS {
            mistakes.add(&At::ROOT, format!("has more than {MAX_ALERTS} alerts"));
            return None;
        }
        let each = posted.into_iter().enumerate().map(|(i, alert)| {
            let alert = alert.read(&At::ROOT.index(i), mistakes)?;
            Some(Foreign { alert, route: Arc::default() })
        });
        each.collect::<Option<Vec<_>>>()
    })?;
    api.desk.receive(alerts).await?;
    Ok(StatusCode::ACCEPTED)
}
