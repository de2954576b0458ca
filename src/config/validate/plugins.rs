//! `[plugins]`, and the limits that a strategy may have of its own.

use std::path::PathBuf;
use std::time::Duration;

use super::check::{Check, DAY, HOUR, MILLISECOND};
use crate::config::path::KeyPath;
use crate::config::schema::{self, Size, Time};
use crate::config::types::{PluginLimits, Plugins};

/// Limits as they are written; what is `None` is inherited.
#[derive(Default)]
pub struct Limits {
    pub pick_deadline: Option<Time>,
    pub setup_deadline: Option<Time>,
    pub memory_limit: Option<Size>,
    pub file_limit: Option<Size>,
    pub log_lines_per_second: Option<u32>,
    pub trip_after: Option<u32>,
    pub probe_after: Option<Time>,
    pub probe_after_max: Option<Time>,
}

pub fn plugins(plugins: schema::Plugins, at: &KeyPath, check: &mut Check<'_>) -> Plugins {
    let schema::Plugins {
        cache_directory,
        pick_deadline,
        setup_deadline,
        memory_limit,
        file_limit,
        log_lines_per_second,
        trip_after,
        probe_after,
        probe_after_max,
    } = plugins;
    let written = Limits {
        pick_deadline: Some(pick_deadline),
        setup_deadline: Some(setup_deadline),
        memory_limit: Some(memory_limit),
        file_limit: Some(file_limit),
        log_lines_per_second: Some(log_lines_per_second),
        trip_after: Some(trip_after),
        probe_after: Some(probe_after),
        probe_after_max: Some(probe_after_max),
    };
    let limits = limits(written, &PluginLimits::default(), at, check);
    let cache_directory = match cache_directory {
        None => default_cache(check.around.variable),
        Some(path) if path.is_empty() => None,
        Some(path) => Some(check.path(&at.key("cache_directory"), &path)),
    };
    Plugins { cache_directory, limits }
}

/// Checks what is written, and takes the rest from `inherited`.
pub fn limits(
    written: Limits,
    inherited: &PluginLimits,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> PluginLimits {
    let Limits {
        pick_deadline,
        setup_deadline,
        memory_limit,
        file_limit,
        log_lines_per_second,
        trip_after,
        probe_after,
        probe_after_max,
    } = written;
    let mut time = |key, time: Option<Time>, inherited, min, max| match time {
        Some(time) => check.time(&at.key(key), time, min, max),
        None => inherited,
    };
    let (longest_pick, longest_setup) = (Duration::from_secs(10), Duration::from_secs(60));
    let i = inherited;
    let pick = time("pick_deadline", pick_deadline, i.pick_deadline, MILLISECOND, longest_pick);
    let setup =
        time("setup_deadline", setup_deadline, i.setup_deadline, MILLISECOND, longest_setup);
    let shortest_rest = 10 * MILLISECOND;
    let probe = time("probe_after", probe_after, i.probe_after, shortest_rest, HOUR);
    let probe_max = time("probe_after_max", probe_after_max, i.probe_after_max, shortest_rest, DAY);
    if probe > probe_max {
        check.wrong(&at.key("probe_after"), "is longer than `probe_after_max`");
    }
    let mut size = |key, size: Option<Size>, inherited, min, max| match size {
        Some(size) => check.size(&at.key(key), size, min, max),
        None => inherited,
    };
    let memory = size("memory_limit", memory_limit, i.memory_bytes as u64, 64 << 10, 4 << 30);
    let file_bytes = size("file_limit", file_limit, i.file_bytes, 1 << 10, 1 << 30);
    PluginLimits {
        pick_deadline: pick,
        setup_deadline: setup,
        memory_bytes: usize::try_from(memory).unwrap_or(usize::MAX),
        file_bytes,
        log_lines_per_second: log_lines_per_second.unwrap_or(i.log_lines_per_second),
        trip_after: match trip_after {
            Some(failures) => check.number(&at.key("trip_after"), failures, 1, 1_000_000),
            None => i.trip_after,
        },
        probe_after: probe,
        probe_after_max: probe_max,
    }
}

/// As the XDG base directories say; nowhere for a user without a home.
fn default_cache(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| value.starts_with('/')).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("proconsul/plugins"))
}
