//! `[alerts.channels]`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, MILLISECOND};
use super::health_check::allowed;
use super::strategy::source;
use crate::config::path::KeyPath;
use crate::config::schema;
use crate::config::types::AlertChannel;
use crate::model::{ChannelName, PluginSource};

/// A sending that takes longer holds up what comes after it.
const LONGEST: Duration = Duration::from_secs(300);
/// The built-in component that does nothing but append to `file`.
const FILE: &str = "file";
const MOST_PER_MINUTE: u32 = 10_000;

type Channels = BTreeMap<ChannelName, Arc<AlertChannel>>;

pub fn channels(
    channels: BTreeMap<String, schema::AlertChannel>,
    memory_bytes: usize,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Channels {
    let each = channels.into_iter().filter_map(|(name, written)| {
        let made = channel(&name, written, memory_bytes, &at.key(&name), check)?;
        Some((made.name.clone(), Arc::new(made)))
    });
    each.collect()
}

fn channel(
    name: &str,
    written: schema::AlertChannel,
    inherited_memory: usize,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<AlertChannel> {
    let schema::AlertChannel { plugin, config, allow, file, timeout, max_per_minute, memory_limit } =
        written;
    let name = check.name(at, ChannelName::new(name));
    let built_in = check.around.built_in.channels;
    let source = source(&plugin, built_in, "channel", &at.key("plugin"), check);
    let allow = allowed(&allow, &at.key("allow"), check);
    if file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
        check.wrong(&at.key("file"), "is empty; allowed is a path");
    }
    if file.is_none() && source == Some(PluginSource::BuiltIn(FILE.to_owned())) {
        check.wrong(
            &at.key("file"),
            "is missing; the channel `file` appends to the path that it names",
        );
    }
    let timeout = check.time(&at.key("timeout"), timeout, MILLISECOND, LONGEST);
    let max_per_minute = max_per_minute
        .map(|most| check.number(&at.key("max_per_minute"), most, 1, MOST_PER_MINUTE));
    let memory = memory_limit.map_or(inherited_memory as u64, |limit| {
        check.size(&at.key("memory_limit"), limit, 64 << 10, 4 << 30)
    });
    Some(AlertChannel {
        name: name?,
        source: source?,
        config_json: serde_json::Value::Object(config).to_string(),
        allow,
        file: file.map(|file| check.around.directory.join(file)),
        timeout,
        max_per_minute,
        memory_bytes: usize::try_from(memory).unwrap_or(usize::MAX),
    })
}
