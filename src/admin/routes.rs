//! The routes of the admin listener.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::auth::AuthState;
use super::inquiry::Inquiry;
use super::problem::Problem;
use super::status::{ReloadReport, ReloadResult};
use super::v1::{self, Api, Checks, Handles, Picker};
use crate::alert::desk::Desk;
use crate::config::AdminLimits;
use crate::model::Phase;
use crate::registry::Registry;
use crate::telemetry::Metrics;
use crate::telemetry::log::Levels;
use crate::telemetry::ring::Ring;
use crate::webhook::Board;

/// What the routes need.
#[derive(Clone)]
pub struct Admin {
    pub metrics: Metrics,
    /// What the metrics were.
    pub ring: Arc<Ring>,
    /// What the log is told.
    pub levels: Levels,
    /// Whom to ask how things stand.
    pub inquiry: Inquiry,
    /// Whom to ask about alerts.
    pub desk: Desk,
    pub reload: mpsc::Sender<ReloadRequest>,
    pub phase: watch::Receiver<Phase>,
    pub registry: Registry,
    /// Who may use `/v1`; a reload replaces it.
    pub auth: Arc<ArcSwap<AuthState>>,
    /// A reload replaces them, too; `max_watchers` holds from the start on.
    pub limits: Arc<ArcSwap<AdminLimits>>,
    pub picker: Arc<dyn Picker>,
    /// The checks that the configuration names.
    pub checks: Arc<ArcSwap<Checks>>,
    /// How webhooks' calls go.
    pub deliveries: Board,
    /// Where backups are written: where the store is. `None` = there is nothing to back up.
    pub backup_directory: Option<PathBuf>,
}

impl Admin {
    fn api(self) -> Api {
        let Self {
            metrics: _,
            ring,
            levels,
            inquiry,
            desk,
            reload: _,
            phase: _,
            registry,
            auth,
            limits,
            picker,
            checks,
            deliveries,
            backup_directory,
        } = self;
        let watchers = Arc::new(Semaphore::new(limits.load().max_watchers));
        let (rate, states) = Default::default();
        Api::new(Handles {
            registry,
            ring,
            levels,
            auth,
            limits,
            picker,
            checks,
            inquiry,
            desk,
            deliveries,
            backup_directory,
            rate,
            states,
            watchers,
        })
    }
}

/// Asks the control loop to reload, and waits for how it went.
pub struct ReloadRequest {
    pub answer: oneshot::Sender<ReloadReport>,
}

/// Everything that is served. What is not there, and what is not allowed there, is said as all problems are.
pub(super) fn router(admin: Admin) -> Router {
    let own = Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/-/status", get(status))
        .route("/-/reload", post(reload))
        .with_state(admin.clone());
    own.merge(v1::router(admin.api()))
        .fallback(|request: Request| async move {
            Problem::not_found(format!("there is nothing at `{}`", request.uri().path()))
        })
        .method_not_allowed_fallback(|request: Request| async move {
            let (method, path) = (request.method(), request.uri().path());
            let what = format!("`{path}` does not know {method}; `Allow` says what it knows");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", what)
        })
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics.render())
}

/// Whether new requests may be sent here.
async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match *admin.phase.borrow() {
        Phase::Serving => (StatusCode::OK, "ready\n"),
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::HandingOver | Phase::Draining => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

async fn status(State(admin): State<Admin>) -> Result<Response, Problem> {
    let status = admin.inquiry.status().await?;
    Ok(Json(&*status).into_response())
}

/// Reloads, and answers when that is done. A browser sends `Origin` along with a page's requests:
/// no page may do this.
async fn reload(
    State(admin): State<Admin>,
    headers: HeaderMap,
) -> (StatusCode, Json<Option<ReloadReport>>) {
    if headers.contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, Json(None));
    }
    let (answer, answered) = oneshot::channel();
    if admin.reload.try_send(ReloadRequest { answer }).is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(None)); // as many as may wait are waiting
    }
    match answered.await {
        Ok(report) => {
            let status = match report.result {
                ReloadResult::Applied => StatusCode::OK,
                ReloadResult::Refused => StatusCode::UNPROCESSABLE_ENTITY,
            };
            (status, Json(Some(report)))
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, Json(None)),
    }
}
