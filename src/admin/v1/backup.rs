//! `POST /v1/backup`: a copy of everything that is durable, while the store is in use.

use std::path::{Component, Path};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::Api;
use crate::admin::auth::Administrator;
use crate::admin::input::{At, Body, Mistakes};
use crate::admin::problem::Problem;
use crate::store::StoreError;

/// The longest file name.
const MAX_NAME_BYTES: usize = 128;

/// Where to write a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupBody {
    /// Name of a new file in the directory of the store; a name alone, so that nobody writes elsewhere.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        example = "before-upgrade.db"
    )]
    pub file: String,
}

/// A backup was written.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BackupView {
    /// On the machine that the proxy runs on.
    pub path: String,
    pub bytes: u64,
}

/// Write a backup beside the store.
#[utoipa::path(
    post,
    path = "/v1/backup",
    operation_id = "backup",
    tag = "operation",
    request_body = BackupBody,
    responses((status = 201, body = BackupView))
)]
pub(super) async fn backup(
    State(api): State<Api>,
    Administrator(caller): Administrator,
    body: Body<BackupBody>,
) -> Result<Response, Problem> {
    let file = body.convert(|body, mistakes: &mut Mistakes| {
        let made = name(&body.file);
        mistakes.take(&At::ROOT.key("file"), made.map(str::to_owned))
    })?;
    let Some(directory) = &api.backup_directory else {
        let what = "the registry is kept in memory alone: there is nothing to copy";
        return Err(Problem::new(StatusCode::CONFLICT, "memory", what));
    };
    let path = directory.join(file);
    if path.exists() {
        let what = format!("{} is there already: choose another name", path.display());
        return Err(Problem::new(StatusCode::CONFLICT, "exists", what));
    }
    api.registry.backup(&path).await.map_err(|error| {
        let status = match error {
            StoreError::Unusable { .. } => StatusCode::CONFLICT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Problem::new(status, "store", error.to_string())
    })?;
    let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
    tracing::info!(who = &*caller.name, path = %path.display(), bytes, "backup written");
    let view = BackupView { path: path.display().to_string(), bytes };
    api.done(&caller, "backup.write", &view.path, &json!({ "bytes": bytes }));
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// One plain name: no directory, no hidden file.
fn name(text: &str) -> Result<&str, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut parts = Path::new(text).components();
    let one = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    match one && begins_well && text.len() <= MAX_NAME_BYTES && text.chars().all(plain) {
        true => Ok(text),
        false => Err(format!(
            "is no plain file name of 1 to {MAX_NAME_BYTES} letters, digits, `-`, `_`, `.`"
        )),
    }
}
