//! `/v1/alerts/silences`: alerts of which nobody is told for a while.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::proxy::Listed;
use super::subscriptions::random_hex;
use super::words::{moment, rfc3339};
use super::{Api, now};
use crate::admin::auth::{Operator, Viewer};
use crate::admin::input::{At, Body, MAX_TEXT_BYTES, Mistakes};
use crate::admin::problem::Problem;
use crate::alert::paging::{Matcher, Matchers, Silence};
use crate::model::UnixMillis;

const MAX_MATCHERS: usize = 32;
const MAX_SILENCES: usize = 1000;
const ID_BYTES: usize = 8;

/// What is to be silent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceBody {
    /// All of them have to hold: `alertname=slow`, `service=~web-.*`; =, !=, =~, !~.
    #[schema(min_items = 1, max_items = 32)]
    pub matchers: Vec<String>,
    /// Why, for whoever looks at it later.
    #[schema(min_length = 1, max_length = 512)]
    pub comment: String,
    /// Now if absent.
    #[schema(format = DateTime)]
    pub starts_at: Option<String>,
    /// Until when; this, or `seconds`.
    #[schema(format = DateTime)]
    pub ends_at: Option<String>,
    /// For how long.
    #[schema(minimum = 1, maximum = 31622400)]
    pub seconds: Option<u64>,
}

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SilenceView {
    pub id: String,
    pub matchers: Vec<String>,
    pub author: String,
    pub comment: String,
    #[schema(format = DateTime)]
    pub starts_at: String,
    #[schema(format = DateTime)]
    pub ends_at: String,
    /// `pending`, `active` or `expired`.
    pub state: &'static str,
}

impl SilenceView {
    fn of(silence: &Silence) -> Self {
        Self {
            id: silence.id.clone(),
            matchers: silence.matchers.0.iter().map(ToString::to_string).collect(),
            author: silence.author.clone(),
            comment: silence.comment.clone(),
            starts_at: rfc3339(silence.starts),
            ends_at: rfc3339(silence.ends),
            state: silence.state(now()).as_str(),
        }
    }
}

impl SilenceBody {
    /// Its matchers, its beginning, its end.
    fn read(self, mistakes: &mut Mistakes) -> Option<(Matchers, String, UnixMillis, UnixMillis)> {
        let Self { matchers, comment, starts_at, ends_at, seconds } = self;
        let at = At::ROOT;
        if !(1..=MAX_MATCHERS).contains(&matchers.len()) {
            mistakes.add(&at.key("matchers"), format!("needs 1 to {MAX_MATCHERS} of them"));
        }
        if !(1..=MAX_TEXT_BYTES).contains(&comment.len()) {
            mistakes.add(&at.key("comment"), format!("needs 1 to {MAX_TEXT_BYTES} bytes"));
        }
        let list = at.key("matchers");
        let each = matchers.iter().enumerate();
        let read = each.map(|(i, text)| mistakes.take(&list.index(i), text.parse::<Matcher>()));
        let matchers: Option<Vec<Matcher>> = read.collect();
        let starts = match starts_at {
            Some(text) => mistakes.take(&at.key("starts_at"), moment(&text)),
            None => Some(now()),
        };
        let ends = match (ends_at, seconds) {
            (Some(text), None) => mistakes.take(&at.key("ends_at"), moment(&text)),
            (None, Some(seconds)) => starts.map(|starts| {
                let length = Duration::from_secs(seconds).as_millis() as u64;
                UnixMillis(starts.0.saturating_add(length))
            }),
            _ => {
                mistakes.add(&at.key("ends_at"), "is needed, or `seconds`; not both");
                None
            }
        };
        if let (Some(starts), Some(ends)) = (starts, ends)
            && (ends <= starts || ends <= now())
        {
            mistakes.add(&at.key("ends_at"), "is over already");
        }
        Some((Matchers(matchers?), comment, starts?, ends?))
    }
}

/// List silences: those to come, those that hold, and those that ended in the last days.
#[utoipa::path(
    get,
    path = "/v1/alerts/silences",
    operation_id = "list_silences",
    tag = "alerts",
    responses((status = 200, body = Listed<SilenceView>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
) -> Result<Json<Listed<SilenceView>>, Problem> {
    let silences = api.desk.silences().await?;
    Ok(Json(Listed { items: silences.iter().map(SilenceView::of).collect() }))
}

/// Silence alerts for a while.
#[utoipa::path(
    post,
    path = "/v1/alerts/silences",
    operation_id = "silence",
    tag = "alerts",
    request_body = SilenceBody,
    responses((status = 201, body = SilenceView))
)]
pub(super) async fn add(
    State(api): State<Api>,
    Operator(caller): Operator,
    body: Body<SilenceBody>,
) -> Result<Response, Problem> {
    let (matchers, comment, starts, ends) = body.convert(SilenceBody::read)?;
    if api.desk.silences().await?.len() >= MAX_SILENCES {
        let what = format!("there are {MAX_SILENCES} silences: let some expire");
        return Err(Problem::new(StatusCode::CONFLICT, "full", what));
    }
    let id = random_hex(ID_BYTES)?;
    let author = caller.name.to_string();
    let silence = Silence { id, matchers, author, comment, starts, ends };
    let view = SilenceView::of(&silence);
    api.desk.silence(silence).await?;
    api.done(&caller, "silence.add", &view.id, &view);
    let location = format!("/v1/alerts/silences/{}", view.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

/// End a silence now.
#[utoipa::path(
    delete,
    path = "/v1/alerts/silences/{silence}",
    operation_id = "expire_silence",
    tag = "alerts",
    params(("silence" = String, Path)),
    responses((status = 204, description = "It has ended"))
)]
pub(super) async fn expire(
    State(api): State<Api>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let silences = api.desk.silences().await?;
    let found = silences.into_iter().find(|silence| silence.id == id);
    let silence = found.ok_or_else(|| Problem::not_found(format!("there is no silence `{id}`")))?;
    let ends = silence.ends.min(now());
    let silence = Silence { ends, ..silence };
    let view = SilenceView::of(&silence);
    api.desk.silence(silence).await?;
    api.done(&caller, "silence.expire", &id, &view);
    Ok(StatusCode::NO_CONTENT)
}
