//! The way from real traffic to the health loop.

use prometheus::IntCounter;
use tokio::sync::mpsc;

use crate::model::InstanceKey;

/// Reports that may wait; further ones are dropped and counted: the next failure reports again.
const MAX_WAITING_REPORTS: usize = 4096;

/// What a request met at an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// Nobody listens there.
    Refused,
    /// The connection broke, the answer was late, or it was a 502 to 504.
    Failure,
    /// An answer, after failures.
    Success,
}

/// Something to know of an instance.
#[derive(Debug, Clone)]
pub struct TrafficReport {
    pub instance: InstanceKey,
    pub met: Met,
}

/// Takes reports on the request path: never waits.
#[derive(Clone)]
pub struct TrafficInbox {
    reports: mpsc::Sender<TrafficReport>,
    dropped: IntCounter,
}

impl TrafficInbox {
    /// An inbox, and where it is emptied.
    pub fn new(dropped: IntCounter) -> (Self, mpsc::Receiver<TrafficReport>) {
        let (reports, receiver) = mpsc::channel(MAX_WAITING_REPORTS);
        (Self { reports, dropped }, receiver)
    }

    /// Takes a report, or drops it where too many wait.
    pub fn report(&self, report: TrafficReport) {
        if self.reports.try_send(report).is_err() {
            self.dropped.inc();
        }
    }
}
