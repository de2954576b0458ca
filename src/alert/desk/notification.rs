//! What a channel gets of a page.

use super::super::paging::Page;
use crate::model::{Alert, Labels, Notification, UnixMillis};

/// Puts into words what is to be told of a group; its queue gives it the sequence.
pub fn notification(page: Page, made: UnixMillis) -> Notification {
    let Page { key, alerts, truncated, sent: _ } = page;
    let labels = key.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    Notification {
        sequence: 0,
        group_key: format!("{{{}}}", labels.collect::<Vec<_>>().join(", ")),
        common_labels: common(&alerts, |alert| &alert.labels),
        common_annotations: common(&alerts, |alert| &alert.annotations),
        group_labels: key.labels,
        alerts,
        truncated,
        made,
    }
}

/// What all have, with the same value.
fn common(alerts: &[Alert], of: impl Fn(&Alert) -> &Labels) -> Labels {
    let Some((first, others)) = alerts.split_first() else { return Labels::new() };
    let mut common = of(first).clone();
    common.retain(|name, value| others.iter().all(|other| of(other).get(name) == Some(value)));
    common
}
