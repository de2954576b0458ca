//! `[alerts]`: how alerts are grouped, and who is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::check::Check;
use crate::alert::paging::{Inhibition, Matcher, Matchers, Plan};
use crate::config::path::KeyPath;
use crate::config::schema::{AlertInhibition, Alerts};
use crate::config::types::{AlertChannel, ConfiguredRule};
use crate::model::ChannelName;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);
const MOST_ALERTS: u32 = 10_000;

type Channels = BTreeMap<ChannelName, Arc<AlertChannel>>;

pub fn plan(alerts: &Alerts, channels: &Channels, at: &KeyPath, check: &mut Check<'_>) -> Plan {
    for (i, label) in alerts.group_by.iter().enumerate() {
        if label.is_empty() {
            check.wrong(&at.key("group_by").index(i), "is empty; allowed is a label's name");
        }
    }
    let named = alerts.default_channels.iter().enumerate().filter_map(|(i, name)| {
        let at = at.key("default_channels").index(i);
        let name = check.name(&at, ChannelName::new(name))?;
        there_is(&name, channels, &at, check);
        Some(name)
    });
    let default_channels = named.collect();
    let inhibitions = alerts.inhibit.iter().enumerate();
    let inhibitions = inhibitions
        .map(|(i, inhibition)| self::inhibition(inhibition, &at.key("inhibit").index(i), check));
    let inhibitions = inhibitions.collect();
    let mut time = |key, time, least, most| check.time(&at.key(key), time, least, most);
    Plan {
        group_by: alerts.group_by.clone(),
        group_wait: time("group_wait", alerts.group_wait, Duration::ZERO, DAY),
        group_interval: time("group_interval", alerts.group_interval, SECOND, DAY),
        repeat_interval: time("repeat_interval", alerts.repeat_interval, SECOND, MONTH),
        resolve_timeout: time("resolve_timeout", alerts.resolve_timeout, SECOND, DAY),
        default_channels,
        inhibitions,
        by_topology: alerts.dependencies_explain,
        max_alerts: check.number(&at.key("max_alerts"), alerts.max_alerts, 1, MOST_ALERTS) as usize,
    }
}

/// Complains of rules that tell somebody whom nobody knows.
pub fn told(rules: &[ConfiguredRule], channels: &Channels, at: &KeyPath, check: &mut Check<'_>) {
    for ConfiguredRule { rule, .. } in rules {
        let at = at.key("rules").key(rule.name.as_str()).key("channels");
        for (i, channel) in rule.channels.iter().enumerate() {
            there_is(channel, channels, &at.index(i), check);
        }
    }
}

fn there_is(name: &ChannelName, channels: &Channels, at: &KeyPath, check: &mut Check<'_>) {
    if !channels.contains_key(name) {
        let known = channels.keys().map(ChannelName::as_str).collect();
        check.unknown(at, "is no channel of [alerts.channels]", name.as_str(), known);
    }
}

fn inhibition(written: &AlertInhibition, at: &KeyPath, check: &mut Check<'_>) -> Inhibition {
    Inhibition {
        source: matchers(&written.source, &at.key("source"), check),
        target: matchers(&written.target, &at.key("target"), check),
        equal: written.equal.clone(),
    }
}

fn matchers(written: &[String], at: &KeyPath, check: &mut Check<'_>) -> Matchers {
    if written.is_empty() {
        check.wrong(at, "is empty, and would mean every alert");
    }
    let each = written.iter().enumerate().filter_map(|(i, text)| match text.parse::<Matcher>() {
        Ok(matcher) => Some(matcher),
        Err(error) => {
            check.wrong(&at.index(i), &error.to_string());
            None
        }
    });
    Matchers(each.collect())
}
