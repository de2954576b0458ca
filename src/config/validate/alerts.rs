//! `[alerts]`: how often rules are evaluated, which, and who is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::check::Check;
use super::{alert_channel, alert_hold, alert_paging, alert_rule};
use crate::alert::rules::PRESETS;
use crate::config::path::KeyPath;
use crate::config::schema::{self, AlertRule};
use crate::config::types::Alerts;

/// The word for every ready-made rule.
const ALL: &str = "all";

pub fn alerts(
    mut alerts: schema::Alerts,
    memory_bytes: usize,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Alerts {
    alert_hold::outlasts(&alerts, at, check);
    let channels = std::mem::take(&mut alerts.channels);
    let channels = alert_channel::channels(channels, memory_bytes, &at.key("channels"), check);
    let paging = Arc::new(alert_paging::plan(&alerts, &channels, at, check));
    let schema::Alerts { evaluation_interval, ready_made, mut rules, .. } = alerts;
    let interval_at = at.key("evaluation_interval");
    let (second, most) = (Duration::from_secs(1), Duration::from_secs(600));
    let evaluation_interval = check.time(&interval_at, evaluation_interval, second, most);
    let mut each = BTreeMap::new();
    for (i, name) in ready_made.iter().enumerate() {
        for name in switched_on(name, &at.key("ready_made").index(i), check) {
            if !rules.contains_key(name) {
                each.insert(name.to_owned(), (AlertRule::default(), at.key("ready_made").index(i)));
            }
        }
    }
    for (name, rule) in std::mem::take(&mut rules) {
        let at = at.key("rules").key(&name);
        each.insert(name, (rule, at));
    }
    let each = each.into_iter().filter_map(|(name, (rule, at))| {
        let is_enabled = rule.enabled.unwrap_or(true);
        let made = alert_rule::rule(&name, rule, &at, check);
        made.filter(|_| is_enabled)
    });
    let rules: Vec<_> = each.collect();
    alert_paging::told(&rules, &channels, at, check);
    Alerts { evaluation_interval, rules, paging, channels }
}

fn switched_on(name: &str, at: &KeyPath, check: &mut Check<'_>) -> Vec<&'static str> {
    let ready: Vec<&str> =
        PRESETS.iter().filter(|preset| preset.is_ready_made()).map(|preset| preset.name).collect();
    if name == ALL {
        return ready;
    }
    match ready.iter().find(|known| **known == name) {
        Some(known) => vec![known],
        None => {
            check.unknown(at, "is no ready-made rule", name, [ready, vec![ALL]].concat());
            Vec::new()
        }
    }
}
