//! What is remembered of alerts, as JSON: see [`crate::store::AlertRow`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Unfit, millis};
use crate::alert::paging::{GroupKey, Matcher, Matchers, Sent, Silence};
use crate::alert::rules::{Life, Phase, Record, RecordKey};
use crate::model::{Alert, ChannelName, InvalidName, Labels, Notification, RuleName, UnixMillis};
use crate::store::alerts::{AlertKey, AlertRow, HistoryEntry, HistoryEvent, Letter, Outside};

/// A row's kind, which stands in a column of its own too, so that a person can read the table.
const SEQUENCE: &str = "sequence";
const LETTER: &str = "letter";
const GROUP: &str = "group";
const SILENCE: &str = "silence";
const OUTSIDE: &str = "outside";
const EVALUATED: &str = "evaluated";
const RULE: &str = "rule";

/// A row without what is in columns.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum RowForm {
    Sequence {
        channel: String,
        last: u64,
    },
    Letter {
        channel: String,
        since: u64,
        dead: Option<(String, u64)>,
        notification: NotificationForm,
    },
    Group {
        channel: String,
        labels: Labels,
        at: u64,
        firing: Vec<Labels>,
    },
    Silence {
        id: String,
        matchers: Vec<String>,
        author: String,
        comment: String,
        starts: u64,
        ends: u64,
    },
    Outside {
        alert: AlertForm,
        channels: Vec<String>,
        expires: u64,
    },
    Evaluated {
        at: u64,
    },
    Rule {
        rule: String,
        group: Labels,
        meaning: String,
        since: u64,
        fired: Option<u64>,
        ceased: Option<u64>,
        /// A number that JSON may not know: `inf`.
        value: String,
        labels: Labels,
        annotations: Labels,
        channels: Vec<String>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NotificationForm {
    sequence: u64,
    group_key: String,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    alerts: Vec<AlertForm>,
    truncated: usize,
    made: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AlertForm {
    labels: Labels,
    annotations: Labels,
    started: u64,
    ended: Option<u64>,
}

/// An entry of the history without what is in columns.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HistoryForm {
    event: String,
    labels: Labels,
    value: Option<String>,
    channel: Option<String>,
    detail: String,
}

/// The kind of a key, and the digest by which its row is found.
pub(in crate::store) fn alert_id(key: &AlertKey) -> Result<(&'static str, String), Unfit> {
    let (kind, known_by) = match key {
        AlertKey::Sequence(channel) => (SEQUENCE, serde_json::to_string(channel.as_str())?),
        AlertKey::Letter(channel, sequence) => {
            (LETTER, serde_json::to_string(&(channel.as_str(), sequence))?)
        }
        AlertKey::Group(GroupKey { channel, labels }) => {
            (GROUP, serde_json::to_string(&(channel.as_str(), labels))?)
        }
        AlertKey::Silence(id) => (SILENCE, serde_json::to_string(id)?),
        AlertKey::Outside(labels) => (OUTSIDE, serde_json::to_string(labels)?),
        AlertKey::Evaluated => (EVALUATED, String::new()),
        AlertKey::Rule(RecordKey { rule, group }) => {
            (RULE, serde_json::to_string(&(rule.as_str(), group))?)
        }
    };
    Ok((kind, format!("{:x}", Sha256::digest(known_by))))
}

/// The JSON of a row.
pub(in crate::store) fn alert_json(row: &AlertRow) -> Result<String, Unfit> {
    let form = match row {
        AlertRow::Sequence(channel, last) => {
            RowForm::Sequence { channel: channel.to_string(), last: *last }
        }
        AlertRow::Letter(Letter { channel, notification, since, dead }) => RowForm::Letter {
            channel: channel.to_string(),
            since: millis(*since),
            dead: dead.as_ref().map(|(reason, at)| (reason.clone(), millis(*at))),
            notification: NotificationForm::of(notification),
        },
        AlertRow::Group(GroupKey { channel, labels }, Sent { at, firing }) => RowForm::Group {
            channel: channel.to_string(),
            labels: labels.clone(),
            at: millis(*at),
            firing: firing.iter().cloned().collect(),
        },
        AlertRow::Silence(Silence { id, matchers, author, comment, starts, ends }) => {
            RowForm::Silence {
                id: id.clone(),
                matchers: matchers.0.iter().map(ToString::to_string).collect(),
                author: author.clone(),
                comment: comment.clone(),
                starts: millis(*starts),
                ends: millis(*ends),
            }
        }
        AlertRow::Outside(Outside { alert, channels, expires }) => RowForm::Outside {
            alert: AlertForm::of(alert),
            channels: names(channels),
            expires: millis(*expires),
        },
        AlertRow::Evaluated(at) => RowForm::Evaluated { at: millis(*at) },
        AlertRow::Rule(record) => rule_form(record),
    };
    Ok(serde_json::to_string(&form)?)
}

/// The row of a JSON text.
pub(in crate::store) fn alert_row(json: &str) -> Result<AlertRow, Unfit> {
    Ok(match serde_json::from_str(json)? {
        RowForm::Sequence { channel, last } => {
            AlertRow::Sequence(ChannelName::new(&channel)?, last)
        }
        RowForm::Letter { channel, since, dead, notification } => AlertRow::Letter(Letter {
            channel: ChannelName::new(&channel)?,
            notification: Arc::new(notification.notification()),
            since: UnixMillis(since),
            dead: dead.map(|(reason, at)| (reason, UnixMillis(at))),
        }),
        RowForm::Group { channel, labels, at, firing } => {
            let key = GroupKey { channel: ChannelName::new(&channel)?, labels };
            let firing = firing.into_iter().collect::<BTreeSet<_>>();
            AlertRow::Group(key, Sent { at: UnixMillis(at), firing })
        }
        RowForm::Silence { id, matchers, author, comment, starts, ends } => {
            let matchers = matchers.iter().map(|text| text.parse::<Matcher>());
            AlertRow::Silence(Silence {
                id,
                matchers: Matchers(matchers.collect::<Result<_, _>>()?),
                author,
                comment,
                starts: UnixMillis(starts),
                ends: UnixMillis(ends),
            })
        }
        RowForm::Outside { alert, channels, expires } => AlertRow::Outside(Outside {
            alert: Arc::new(alert.alert()),
            channels: channel_names(&channels)?,
            expires: UnixMillis(expires),
        }),
        RowForm::Evaluated { at } => AlertRow::Evaluated(UnixMillis(at)),
        RowForm::Rule {
            rule,
            group,
            meaning,
            since,
            fired,
            ceased,
            value,
            labels,
            annotations,
            channels,
        } => {
            let phase = match fired {
                None => Phase::Pending,
                Some(fired) => {
                    Phase::Firing { fired: UnixMillis(fired), ceased: ceased.map(UnixMillis) }
                }
            };
            AlertRow::Rule(Record {
                key: RecordKey { rule: RuleName::new(&rule)?, group },
                meaning,
                life: Life { since: UnixMillis(since), phase },
                value: number(value)?,
                labels,
                annotations,
                channels: channel_names(&channels)?,
            })
        }
    })
}

/// The JSON of an entry of the history.
pub(in crate::store) fn history_json(entry: &HistoryEntry) -> Result<String, Unfit> {
    let HistoryEntry { position: _, at: _, event, labels, value, channel, detail } = entry;
    Ok(serde_json::to_string(&HistoryForm {
        event: event.as_str().to_owned(),
        labels: labels.clone(),
        value: value.map(|value| value.to_string()),
        channel: channel.as_ref().map(ToString::to_string),
        detail: detail.clone(),
    })?)
}

/// The entry of a JSON text.
pub(in crate::store) fn history_entry(
    position: u64,
    at: UnixMillis,
    json: &str,
) -> Result<HistoryEntry, Unfit> {
    let HistoryForm { event, labels, value, channel, detail } = serde_json::from_str(json)?;
    let Some(event) = HistoryEvent::named(&event) else {
        return Err(Unfit::Word { what: "event", found: event });
    };
    let channel = channel.as_deref().map(ChannelName::new).transpose()?;
    let value = value.map(number).transpose()?;
    Ok(HistoryEntry { position, at, event, labels, value, channel, detail })
}

fn rule_form(record: &Record) -> RowForm {
    let Record { key, meaning, life, value, labels, annotations, channels } = record;
    let (fired, ceased) = match life.phase {
        Phase::Pending => (None, None),
        Phase::Firing { fired, ceased } => (Some(millis(fired)), ceased.map(millis)),
    };
    RowForm::Rule {
        rule: key.rule.to_string(),
        group: key.group.clone(),
        meaning: meaning.clone(),
        since: millis(life.since),
        fired,
        ceased,
        value: value.to_string(),
        labels: labels.clone(),
        annotations: annotations.clone(),
        channels: names(channels),
    }
}

fn number(text: String) -> Result<f64, Unfit> {
    text.parse().map_err(|_| Unfit::Word { what: "value", found: text })
}

fn names(channels: &[ChannelName]) -> Vec<String> {
    channels.iter().map(ToString::to_string).collect()
}

fn channel_names(names: &[String]) -> Result<Arc<[ChannelName]>, InvalidName> {
    names.iter().map(|name| ChannelName::new(name)).collect()
}

impl NotificationForm {
    fn of(notification: &Notification) -> Self {
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
        Self {
            sequence: *sequence,
            group_key: group_key.clone(),
            group_labels: group_labels.clone(),
            common_labels: common_labels.clone(),
            common_annotations: common_annotations.clone(),
            alerts: alerts.iter().map(AlertForm::of).collect(),
            truncated: *truncated,
            made: millis(*made),
        }
    }

    fn notification(self) -> Notification {
        let Self {
            sequence,
            group_key,
            group_labels,
            common_labels,
            common_annotations,
            alerts,
            truncated,
            made,
        } = self;
        Notification {
            sequence,
            group_key,
            group_labels,
            common_labels,
            common_annotations,
            alerts: alerts.into_iter().map(AlertForm::alert).collect(),
            truncated,
            made: UnixMillis(made),
        }
    }
}

impl AlertForm {
    fn of(alert: &Alert) -> Self {
        let Alert { labels, annotations, started, ended } = alert;
        Self {
            labels: labels.clone(),
            annotations: annotations.clone(),
            started: millis(*started),
            ended: ended.map(millis),
        }
    }

    fn alert(self) -> Alert {
        let Self { labels, annotations, started, ended } = self;
        Alert { labels, annotations, started: UnixMillis(started), ended: ended.map(UnixMillis) }
    }
}
