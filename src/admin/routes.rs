//! The routes of the admin listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::{mpsc, oneshot, watch};

use super::status::{ReloadReport, ReloadResult, Status};
use crate::model::Phase;
use crate::telemetry::Metrics;

/// Between two tries to bind.
const BIND_AGAIN: Duration = Duration::from_millis(100);

/// What the routes need.
#[derive(Clone)]
pub struct Admin {
    pub metrics: Metrics,
    pub status: Arc<ArcSwap<Status>>,
    pub reload: mpsc::Sender<ReloadRequest>,
    pub phase: watch::Receiver<Phase>,
}

/// Asks the control loop to reload, and waits for how it went.
pub struct ReloadRequest {
    pub answer: oneshot::Sender<ReloadReport>,
}

/// Binds the listener.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Binds as soon as the process that hands over has let go, within `patience`.
pub async fn bind_after_hand_over(
    address: SocketAddr,
    patience: Duration,
) -> io::Result<std::net::TcpListener> {
    let deadline = Instant::now() + patience;
    loop {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(BIND_AGAIN).await;
            }
            bound => return bound,
        }
    }
}

/// Serves until a new process takes over, which listens here then.
pub async fn serve(listener: std::net::TcpListener, admin: Admin) -> io::Result<()> {
    let mut phase = admin.phase.clone();
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/-/status", get(status))
        .route("/-/reload", post(reload))
        .with_state(admin);
    let handed_over = async move {
        // An error means that the process is at its end.
        let _ = phase.wait_for(|phase| *phase == Phase::HandingOver).await;
    };
    tokio::select! {
        served = axum::serve(tokio::net::TcpListener::from_std(listener)?, router) => served,
        () = handed_over => Ok(()),
    }
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

async fn status(State(admin): State<Admin>) -> Json<Status> {
    Json(Status::clone(&admin.status.load()))
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
