//! Asking the control loop how things stand. It gathers that only when somebody wants to know: beside ten
//! thousand services that takes it 20 ms.

use std::sync::Arc;

use axum::http::StatusCode;
use tokio::sync::{mpsc, oneshot};

use super::problem::Problem;
use super::status::Status;

/// Questions that may wait; they get one answer together.
const MAX_WAITING: usize = 64;

/// Somebody wants to know.
pub struct StatusRequest {
    pub answer: oneshot::Sender<Arc<Status>>,
}

/// Where to ask.
#[derive(Clone)]
pub struct Inquiry(mpsc::Sender<StatusRequest>);

impl Inquiry {
    /// With the other end, for who answers.
    pub fn new() -> (Self, mpsc::Receiver<StatusRequest>) {
        let (questions, asked) = mpsc::channel(MAX_WAITING);
        (Self(questions), asked)
    }

    /// How things stand, no longer ago than a moment.
    pub(super) async fn status(&self) -> Result<Arc<Status>, Problem> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(StatusRequest { answer }).await;
        let status = match asked {
            Ok(()) => answered.await.ok(),
            Err(_) => None,
        };
        status.ok_or_else(|| {
            let what = "the process is about to end";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", what)
        })
    }
}
