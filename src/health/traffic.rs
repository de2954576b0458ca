//! Where the proxy says how real requests went. Never waits: a report that finds no room is dropped, and
//! counted; the next failure says the same.

use std::sync::LazyLock;

use prometheus::IntCounter;
use tokio::sync::mpsc;

use crate::model::{CheckName, InstanceId, ServiceKey};

/// Reports that wait at most.
const MAX_WAITING_REPORTS: usize = 4096;

/// The check by which the registry hears of real traffic.
pub static TRAFFIC_CHECK: LazyLock<CheckName> =
    LazyLock::new(|| CheckName::new("traffic").expect("it is a name"));

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// The connection was refused.
    Refused,
    /// It broke, was too late, or the status was one of 502 to 504.
    Failed,
    /// It went well, after one that did not.
    Recovered,
}

/// What the proxy says of one instance.
#[derive(Debug, Clone)]
pub struct TrafficReport {
    pub service: ServiceKey,
    pub instance: InstanceId,
    pub what: Traffic,
}

/// The proxy's end.
#[derive(Clone)]
pub struct TrafficInbox {
    reports: mpsc::Sender<TrafficReport>,
    dropped: IntCounter,
}

impl TrafficInbox {
    pub(super) fn new(dropped: IntCounter) -> (Self, mpsc::Receiver<TrafficReport>) {
        let (reports, inbox) = mpsc::channel(MAX_WAITING_REPORTS);
        (Self { reports, dropped }, inbox)
    }

    /// An inbox that nobody empties: for what is built to be checked, and never serves.
    pub fn unheard() -> Self {
        let dropped = IntCounter::new("unheard", "Reports that nobody hears.");
        Self::new(dropped.expect("a word is a name")).0
    }

    /// Takes a report. `false` = there was no room: who would take the endpoint out by itself
    /// (`EndpointState::set_eligible`) must not, for nobody would call it back.
    pub fn report(&self, report: TrafficReport) -> bool {
        let taken = self.reports.try_send(report).is_ok();
        if !taken {
            self.dropped.inc();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ServiceName;

    #[test]
    fn a_full_inbox_drops_and_counts() {
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let (inbox, _reports) = TrafficInbox::new(dropped.clone());
        let report = TrafficReport {
            service: ServiceKey::in_default(ServiceName::new("web").unwrap()),
            instance: InstanceId::new("a").unwrap(),
            what: Traffic::Failed,
        };
        for _ in 0..MAX_WAITING_REPORTS {
            assert!(inbox.report(report.clone()));
        }
        assert!(!inbox.report(report));
        assert_eq!(dropped.get(), 1);
    }
}
