//! The routes of the admin listener.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::sync::{mpsc, oneshot};

use super::status::{ReloadReport, ReloadResult, Status};
use crate::telemetry::Metrics;

/// What the routes need.
#[derive(Clone)]
pub struct Admin {
    pub metrics: Metrics,
    pub status: Arc<ArcSwap<Status>>,
    pub reload: mpsc::Sender<ReloadRequest>,
}

/// Asks the control loop to reload, and waits for how it went.
pub struct ReloadRequest {
    pub answer: oneshot::Sender<ReloadReport>,
}

/// Binds the listener. An old process and the new one that takes over from it may both hold it.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        Some(socket2::Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

/// Serves as long as the process runs.
pub async fn serve(listener: std::net::TcpListener, admin: Admin) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(|| async { "healthy\n" }))
        .route("/-/ready", get(ready))
        .route("/-/status", get(status))
        .route("/-/reload", post(reload))
        .with_state(admin);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics.render())
}

/// Ready from the moment that a configuration is in effect, which is before this listener is.
async fn ready() -> &'static str {
    "ready\n"
}

async fn status(State(admin): State<Admin>) -> Json<Status> {
    Json(Status::clone(&admin.status.load()))
}

async fn reload(State(admin): State<Admin>) -> (StatusCode, Json<Option<ReloadReport>>) {
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
