//! `/v1/alerts/channels`: how alerts reach people, and what did not reach them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::proxy::Listed;
use super::words::rfc3339;
use super::{Api, now};
use crate::admin::auth::{Caller, Operator, Viewer};
use crate::admin::problem::Problem;
use crate::alert::desk::{ChannelView, DeadLetter};
use crate::model::{Alert, ChannelName, Labels, Notification};

/// A channel, and how sending went since the process began.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelBody {
    pub name: String,
    /// Whether the configuration has it.
    pub configured: bool,
    /// Notifications that wait to be sent.
    pub waiting: usize,
    pub sent: u64,
    /// Tries that failed.
    pub failed: u64,
    #[schema(format = DateTime)]
    pub last_success: Option<String>,
    #[schema(format = DateTime)]
    pub last_failure: Option<String>,
    /// Of the newest failure.
    pub last_error: Option<String>,
    /// What is not tried any more, oldest first.
    pub dead_letters: Vec<DeadLetterBody>,
}

/// A notification that is not tried any more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetterBody {
    pub sequence: u64,
    /// Of its alerts.
    pub group: String,
    pub alerts: usize,
    #[schema(format = DateTime)]
    pub made: String,
    #[schema(format = DateTime)]
    pub given_up: String,
    pub reason: String,
}

/// What a test came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestBody {
    pub delivered: bool,
    /// What the receiver said, or why it did not arrive.
    pub detail: String,
}

impl From<ChannelView> for ChannelBody {
    fn from(view: ChannelView) -> Self {
        let (last_failure, last_error) = view.last_failure.unzip();
        Self {
            name: view.name.to_string(),
            configured: view.is_there,
            waiting: view.waiting,
            sent: view.sent,
            failed: view.failed,
            last_success: view.last_success.map(rfc3339),
            last_failure: last_failure.map(rfc3339),
            last_error,
            dead_letters: view.dead.iter().map(DeadLetterBody::from).collect(),
        }
    }
}

impl From<&DeadLetter> for DeadLetterBody {
    fn from(letter: &DeadLetter) -> Self {
        let DeadLetter { notification, reason, at } = letter;
        Self {
            sequence: notification.sequence,
            group: notification.group_key.clone(),
            alerts: notification.alerts.len() + notification.truncated,
            made: rfc3339(notification.made),
            given_up: rfc3339(*at),
            reason: reason.clone(),
        }
    }
}

/// List channels.
#[utoipa::path(
    get,
    path = "/v1/alerts/channels",
    operation_id = "list_alert_channels",
    tag = "alerts",
    responses((status = 200, body = Listed<ChannelBody>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
) -> Result<Json<Listed<ChannelBody>>, Problem> {
    let channels = api.desk.channels().await?;
    Ok(Json(Listed { items: channels.into_iter().map(ChannelBody::from).collect() }))
}

/// Send a notification that says it is a test, now, and tell how it went.
#[utoipa::path(
    post,
    path = "/v1/alerts/channels/{channel}/test",
    operation_id = "test_alert_channel",
    tag = "alerts",
    params(("channel" = String, Path)),
    responses((status = 200, body = TestBody))
)]
pub(super) async fn test(
    State(api): State<Api>,
    Operator(caller): Operator,
    Path(channel): Path<String>,
) -> Result<Json<TestBody>, Problem> {
    let name = channel_name(&channel)?;
    let tried = api.desk.test(name, sample(&caller.name)).await?;
    Ok(Json(match tried.ok_or_else(|| no_channel(&channel))? {
        Ok(receipt) => TestBody { delivered: true, detail: receipt.0 },
        Err(failure) => TestBody { delivered: false, detail: failure.reason },
    }))
}

/// Have a dead letter sent again.
#[utoipa::path(
    post,
    path = "/v1/alerts/channels/{channel}/dead-letters/{sequence}/resend",
    operation_id = "resend_dead_letter",
    tag = "alerts",
    params(("channel" = String, Path), ("sequence" = u64, Path)),
    responses((status = 202, description = "It waits to be sent"))
)]
pub(super) async fn resend(
    State(api): State<Api>,
    Operator(caller): Operator,
    Path((channel, sequence)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    see_to(&api, &caller, &channel, &sequence, Fate::Resend).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Forget a dead letter.
#[utoipa::path(
    delete,
    path = "/v1/alerts/channels/{channel}/dead-letters/{sequence}",
    operation_id = "forget_dead_letter",
    tag = "alerts",
    params(("channel" = String, Path), ("sequence" = u64, Path)),
    responses((status = 204, description = "It is gone"))
)]
pub(super) async fn forget(
    State(api): State<Api>,
    Operator(caller): Operator,
    Path((channel, sequence)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    see_to(&api, &caller, &channel, &sequence, Fate::Forget).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What becomes of a dead letter.
enum Fate {
    Resend,
    Forget,
}

async fn see_to(
    api: &Api,
    caller: &Caller,
    channel: &str,
    sequence: &str,
    fate: Fate,
) -> Result<(), Problem> {
    let name = channel_name(channel)?;
    let number = sequence.parse().map_err(|_| no_letter(channel, sequence))?;
    let (action, was_there) = match fate {
        Fate::Resend => ("dead-letter.resend", api.desk.resend(name, number).await?),
        Fate::Forget => ("dead-letter.forget", api.desk.forget(name, number).await?),
    };
    if !was_there {
        return Err(no_letter(channel, sequence));
    }
    api.done(caller, action, &format!("{channel}/{sequence}"), &json!({}));
    Ok(())
}

/// What cannot be a channel's name is none.
fn channel_name(text: &str) -> Result<ChannelName, Problem> {
    ChannelName::new(text).map_err(|_| no_channel(text))
}

fn no_channel(name: &str) -> Problem {
    Problem::not_found(format!("there is no alert channel `{name}`"))
}

fn no_letter(channel: &str, sequence: &str) -> Problem {
    Problem::not_found(format!("alert channel `{channel}` has no dead letter {sequence}"))
}

fn sample(author: &str) -> Notification {
    let pairs = |pairs: &[(&str, &str)]| -> Labels {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    };
    let labels = pairs(&[("alertname", "proconsul-test"), ("severity", "info")]);
    let summary = format!("A test that {author} asked for: nothing is wrong.");
    let annotations = pairs(&[("summary", &summary)]);
    let (common_labels, common_annotations) = (labels.clone(), annotations.clone());
    Notification {
        sequence: 0,
        group_key: "{alertname=\"proconsul-test\"}".to_owned(),
        group_labels: pairs(&[("alertname", "proconsul-test")]),
        common_labels,
        common_annotations,
        alerts: vec![Alert { labels, annotations, started: now(), ended: None }],
        truncated: 0,
        made: now(),
    }
}
