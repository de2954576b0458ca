//! `GET /v1/audit`: who changed what.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::newest::{Newest, look_back, shown};
use super::words::rfc3339;
use crate::admin::auth::Administrator;
use crate::admin::input::{Query, from_text, index_from_text};
use crate::admin::problem::Problem;
use crate::store::{AuditFilter, AuditRecord};

/// Who changed what.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditView {
    pub index: u64,
    #[schema(format = DateTime)]
    pub at: String,
    /// The token's or subject's name; `configuration` for a reload, `registry` for what lapsed.
    pub who: String,
    /// Address of the client; empty for the proxy itself.
    pub from: String,
    /// `instance.register`, `service.describe` and so on.
    pub action: String,
    /// `default/web` or `default/web/web-1`.
    pub subject: String,
    /// Absent when there was nothing.
    #[schema(value_type = Option<Object>)]
    pub before: Option<Value>,
    /// Absent when there is nothing any more.
    #[schema(value_type = Option<Object>)]
    pub after: Option<Value>,
}

impl From<AuditRecord> for AuditView {
    fn from(record: AuditRecord) -> Self {
        let AuditRecord { index, at, who, from, action, subject, before, after } = record;
        let read = |text: String| serde_json::from_str(&text).ok();
        let (before, after) = (read(before), read(after));
        Self { index, at: rfc3339(at), who, from, action, subject, before, after }
    }
}

/// Which records; all conditions hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    who: Option<String>,
    action: Option<String>,
    /// A subject, or all below it: `default/web` finds `default/web/web-1`.
    subject: Option<String>,
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

/// Look into the audit records, newest first.
#[utoipa::path(
    get,
    path = "/v1/audit",
    operation_id = "list_audit",
    tag = "events",
    params(Wanted),
    responses((status = 200, body = Newest<AuditView>))
)]
pub(super) async fn list(
    State(api): State<Api>,
    _: Administrator,
    Query(wanted, mut mistakes): Query<Wanted>,
) -> Result<Json<Newest<AuditView>>, Problem> {
    let Wanted { who, action, subject, since, before, limit } = wanted;
    let (since, page) = look_back(since, before, limit, &mut mistakes);
    mistakes.or(Some(()))?;
    let filter = AuditFilter { who, action, subject, since };
    shown(api.registry.audit(&filter, page).await, page, |record| record.index)
}
