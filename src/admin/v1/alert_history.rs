//! `GET /v1/alerts/history`: what fired and ended, and what was told of it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::newest::{Newest, look_back, shown};
use super::words::rfc3339;
use crate::admin::auth::Viewer;
use crate::admin::input::{At, Query, Several, from_text, index_from_text};
use crate::admin::problem::Problem;
use crate::alert::paging::{Matcher, Matchers};
use crate::model::ChannelName;
use crate::store::{HistoryEntry, HistoryEvent, HistoryFilter};

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HappenedView {
    /// Larger is later.
    pub position: u64,
    #[schema(format = DateTime)]
    pub at: String,
    /// `firing` or `resolved` for an alert; `sent` or `dead` (it was given up) for a notification.
    pub event: &'static str,
    /// The alert's; of a notification, what its alerts have in common.
    pub labels: BTreeMap<String, String>,
    /// The number that was wrong, for alerts of rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Where a notification was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The alert's summary, the receiver's answer, or why a notification was given up.
    pub detail: String,
}

impl From<HistoryEntry> for HappenedView {
    fn from(entry: HistoryEntry) -> Self {
        let HistoryEntry { position, at, event, labels, value, channel, detail } = entry;
        Self {
            position,
            at: rfc3339(at),
            event: event.as_str(),
            labels,
            value: value.filter(|value| value.is_finite()),
            channel: channel.map(|channel| channel.to_string()),
            detail,
        }
    }
}

/// What to look for; all conditions hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// A condition on labels: `service=web`, `alertname=~slow.*`; =, !=, =~, !~. May stand several times.
    #[serde(rename = "match")]
    #[param(value_type = Option<Vec<String>>)]
    matchers: Several,
    /// `firing`, `resolved`, `sent` or `dead`.
    event: Option<String>,
    /// Where notifications were sent.
    channel: Option<String>,
    /// Not older than this.
    #[param(format = DateTime)]
    since: Option<String>,
    /// `next` of the page before.
    #[param(value_type = Option<u64>, maximum = 9007199254740991u64)]
    #[serde(deserialize_with = "index_from_text")]
    before: Option<u64>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 100)]
    #[serde(deserialize_with = "from_text")]
    limit: Option<usize>,
}

/// Look back: what fired and ended, what was told and what could not be, newest first. The newest 10000 events
/// are kept, over restarts too.
#[utoipa::path(
    get,
    path = "/v1/alerts/history",
    operation_id = "alert_history",
    tag = "alerts",
    params(Wanted),
    responses((status = 200, body = Newest<HappenedView>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Viewer,
    Query(wanted, mut mistakes): Query<Wanted>,
) -> Result<Json<Newest<HappenedView>>, Problem> {
    let Wanted { matchers, event, channel, since, before, limit } = wanted;
    let (since, page) = look_back(since, before, limit, &mut mistakes);
    let at = |key| At::ROOT.key(key);
    let event = event.map(|word| mistakes.take(&at("event"), event_of(&word)));
    let channel = channel.map(|name| mistakes.take(&at("channel"), ChannelName::new(&name)));
    let matchers = matchers.into_vec();
    let matchers = matchers.iter().map(|text| mistakes.take(&at("match"), text.parse::<Matcher>()));
    let matchers = Matchers(matchers.collect::<Vec<_>>().into_iter().flatten().collect());
    mistakes.or(Some(()))?;
    let (event, channel) = (event.flatten(), channel.flatten());
    let filter = HistoryFilter { matchers, event, channel, since };
    shown(api.desk.history(&filter, page).await, page, |entry| entry.position)
}

fn event_of(word: &str) -> Result<HistoryEvent, String> {
    let known = HistoryEvent::ALL.map(|event| format!("`{}`", event.as_str())).join(", ");
    HistoryEvent::named(word).ok_or_else(|| format!("is none; allowed are {known}"))
}
