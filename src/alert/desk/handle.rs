//! What others may ask the desk, and tell it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::super::paging::{MAX_OUTSIDE, MAX_OUTSIDE_BYTES, Mute, Silence};
use super::super::rules::Evaluation;
use super::queue::DeadLetter;
use crate::model::{Alert, ChannelName, Notification, Receipt, SendFailure, UnixMillis};
use crate::store::alerts::{AlertStore, HistoryEntry, HistoryFilter};
use crate::store::{NewestFirst, StoreError};

/// Messages that may wait for the desk.
const MAX_WAITING: usize = 1024;
/// Whoever asks hears within this: the desk may wait for a former process to leave, or for its store.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A handle to the desk. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    messages: mpsc::Sender<Message>,
    store: Arc<dyn AlertStore>,
}

/// Why the desk did not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    #[error("too many alerts and questions wait; try again")]
    Busy,
    #[error("it holds, but could not be written: a restart would forget it; the log says why")]
    NotKept,
    #[error(
        "{refused} alerts were not taken in: those from outside are {MAX_OUTSIDE} at most, and \
         {} MiB together",
        MAX_OUTSIDE_BYTES >> 20
    )]
    Full { refused: usize },
    #[error("the process is about to end")]
    Stopping,
}

/// An alert from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Foreign {
    pub alert: Alert,
    pub route: Route,
}

/// Who is told; empty = whoever is told by default.
pub type Route = Arc<[ChannelName]>;

/// An alert as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    pub alert: Alert,
    pub channels: Vec<ChannelName>,
    pub mute: Option<Mute>,
    pub foreign: bool,
}

/// A channel as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelView {
    pub name: ChannelName,
    /// Notifications that wait.
    pub waiting: usize,
    pub dead: Vec<DeadLetter>,
    pub sent: u64,
    pub failed: u64,
    pub last_success: Option<UnixMillis>,
    /// The newest failure, and when.
    pub last_failure: Option<(UnixMillis, String)>,
    /// It is configured.
    pub is_there: bool,
}

/// What the desk hears.
pub(super) enum Message {
    Evaluated(Evaluation, UnixMillis),
    Received(Vec<Foreign>, Acknowledge<()>),
    Silence(Silence, Acknowledge<()>),
    Silences(oneshot::Sender<Vec<Silence>>),
    Alerts(oneshot::Sender<Vec<AlertView>>),
    Channels(oneshot::Sender<Vec<ChannelView>>),
    Resend(ChannelName, u64, Acknowledge<bool>),
    Forget(ChannelName, u64, Acknowledge<bool>),
    Test(ChannelName, Box<Notification>, oneshot::Sender<Tried>),
}

/// Told once it outlives the process.
pub(super) type Acknowledge<T> = oneshot::Sender<Result<T, DeskError>>;

/// How a test went; `None` = there is no such channel.
pub(super) type Tried = Option<Result<Receipt, SendFailure>>;

impl Desk {
    pub(super) fn new(store: Arc<dyn AlertStore>) -> (Self, mpsc::Receiver<Message>) {
        let (messages, inbox) = mpsc::channel(MAX_WAITING);
        (Self { messages, store }, inbox)
    }

    /// What rules came to. Never waits: an evaluation for which there is no room is made up for by the next,
    /// which says again all that fires.
    pub fn evaluated(&self, evaluation: Evaluation, now: UnixMillis) -> Result<(), DeskError> {
        self.messages.try_send(Message::Evaluated(evaluation, now)).map_err(refused)
    }

    /// Takes alerts from outside.
    pub async fn receive(&self, alerts: Vec<Foreign>) -> Result<(), DeskError> {
        self.ask(|reply| Message::Received(alerts, reply)).await?
    }

    /// Adds a silence, or changes the one with its id.
    pub async fn silence(&self, silence: Silence) -> Result<(), DeskError> {
        self.ask(|reply| Message::Silence(silence, reply)).await?
    }

    pub async fn silences(&self) -> Result<Vec<Silence>, DeskError> {
        self.ask(Message::Silences).await
    }

    /// Everything that fires, and what has ended and was not told yet.
    pub async fn alerts(&self) -> Result<Vec<AlertView>, DeskError> {
        self.ask(Message::Alerts).await
    }

    pub async fn channels(&self) -> Result<Vec<ChannelView>, DeskError> {
        self.ask(Message::Channels).await
    }

    /// Has a dead letter sent again. Whether there is such a one.
    pub async fn resend(&self, channel: ChannelName, sequence: u64) -> Result<bool, DeskError> {
        self.ask(|reply| Message::Resend(channel, sequence, reply)).await?
    }

    /// Forgets a dead letter. Whether there was such a one.
    pub async fn forget(&self, channel: ChannelName, sequence: u64) -> Result<bool, DeskError> {
        self.ask(|reply| Message::Forget(channel, sequence, reply)).await?
    }

    /// What happened, newest first.
    pub async fn history(
        &self,
        filter: &HistoryFilter,
        page: NewestFirst,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        self.store.alert_history(filter, page).await
    }

    /// Sends one notification past the queue, and says how it went; `None` = there is no such channel.
    pub async fn test(
        &self,
        channel: ChannelName,
        notification: Notification,
    ) -> Result<Option<Result<Receipt, SendFailure>>, DeskError> {
        self.ask(|reply| Message::Test(channel, Box::new(notification), reply)).await
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, DeskError> {
        let (reply, answer) = oneshot::channel();
        self.messages.try_send(message(reply)).map_err(refused)?;
        let answer = timeout(ANSWER_WITHIN, answer).await.map_err(|_| DeskError::Busy)?;
        answer.map_err(|_| DeskError::Stopping)
    }
}

fn refused<T>(error: mpsc::error::TrySendError<T>) -> DeskError {
    match error {
        mpsc::error::TrySendError::Full(_) => DeskError::Busy,
        mpsc::error::TrySendError::Closed(_) => DeskError::Stopping,
    }
}
