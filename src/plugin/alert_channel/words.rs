//! Notifications as components are shown them, and their answers as the proxy keeps them.

use std::time::Duration;

use super::super::log_gate::tame;
use super::super::patient::Fault;
use super::bindings::{self, Error, Retry};
use crate::model::{Alert, ChannelName, Labels, Notification, Receipt, SendFailure};

/// The longest that a receiver is left alone because a component says so.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3600);

/// As the component of a channel is shown it, for a sending that may take `deadline`.
pub(super) fn to_guest(
    notification: &Notification,
    channel: &ChannelName,
    deadline: Duration,
) -> bindings::Notification {
    let Notification {
        sequence,
        group_key,
        group_labels,
        common_labels,
        common_annotations,
        alerts,
        truncated,
        made,
    } = notification;
    bindings::Notification {
        channel: channel.to_string(),
        sequence: *sequence,
        group_key: group_key.clone(),
        group_labels: labels(group_labels),
        common_labels: labels(common_labels),
        common_annotations: labels(common_annotations),
        alerts: alerts.iter().map(alert).collect(),
        truncated: u32::try_from(*truncated).unwrap_or(u32::MAX),
        made_ms: made.0,
        timeout_ms: u32::try_from(deadline.as_millis()).unwrap_or(u32::MAX),
    }
}

fn alert(alert: &Alert) -> bindings::Alert {
    bindings::Alert {
        labels: labels(&alert.labels),
        annotations: labels(&alert.annotations),
        started_ms: alert.started.0,
        ended_ms: alert.ended.map(|ended| ended.0),
    }
}

fn labels(labels: &Labels) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The component's answer.
pub(super) fn to_model(answer: Result<String, Error>) -> Result<Receipt, SendFailure> {
    match answer {
        Ok(receipt) => Ok(Receipt(tame(&receipt))),
        Err(Error::Permanent(reason)) => {
            Err(SendFailure { reason: tame(&reason), retryable: false, retry_after: None })
        }
        Err(Error::Retryable(Retry { reason, after_ms })) => Err(SendFailure {
            reason: tame(&reason),
            retryable: true,
            retry_after: after_ms.map(|ms| Duration::from_millis(ms).min(LONGEST_REST)),
        }),
    }
}

/// What a component's own failure means: the next instance may do better.
pub(super) fn failed(fault: &Fault) -> SendFailure {
    SendFailure { reason: fault.to_string(), retryable: true, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_has_an_end_and_a_reason_one_line() {
        let retry = Retry { reason: "busy\nvery".into(), after_ms: Some(u64::MAX) };
        let failure = to_model(Err(Error::Retryable(retry))).unwrap_err();
        assert_eq!(failure.retry_after, Some(LONGEST_REST));
        assert!(failure.retryable && !failure.reason.contains('\n'), "{failure:?}");
        let failure = to_model(Err(Error::Permanent("x".repeat(1 << 20)))).unwrap_err();
        assert!(!failure.retryable && failure.reason.len() < 2048, "{}", failure.reason.len());
    }
}
