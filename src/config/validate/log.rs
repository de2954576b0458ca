//! `[log]`: who writes, and what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::check::Check;
use crate::config::path::KeyPath;
use crate::config::schema::{self, LogRecords};
use crate::config::types::{Level, Log, LogFormat, LogWriter, OWN_WRITERS};
use crate::telemetry::log::Destination;

pub fn log(log: schema::Log, at: &KeyPath, check: &mut Check<'_>) -> Option<Log> {
    let schema::Log { level, format, writers } = log;
    let level = self::level(&level, &at.key("level"), check);
    let at_writers = at.key("writers");
    let mut made = BTreeMap::new();
    for (name, writer) in writers {
        let at = at_writers.key(&name);
        if !is_name(&name) {
            check.lacks(&at, "the name is to be 1 to 64 of a-z, A-Z, 0-9, `-`, `_`");
        }
        if OWN_WRITERS.contains(&name.as_str()) {
            check.lacks(
                &at,
                "the name is taken by what `[log]` and `[access_log]` write themselves",
            );
        }
        if let Some(writer) = self::writer(writer, &at, check) {
            made.insert(name, writer);
        }
    }
    Some(Log { level: level?, format: self::format(format), writers: made })
}

/// Two threads that begin one file anew would lose lines. `other` is the access log's own file.
pub fn files_differ(log: &Log, other: Option<&Path>, at: &KeyPath, check: &mut Check<'_>) {
    let mut paths: BTreeSet<&Path> = other.into_iter().collect();
    for (name, writer) in &log.writers {
        if let Destination::File { path, .. } = &writer.destination
            && !paths.insert(path)
        {
            check.wrong(&at.key("writers").key(name).key("path"), "is another writer's");
        }
    }
}

/// Services that writers name have to be there.
pub fn services_exist<'s>(
    log: &Log,
    services: impl Iterator<Item = &'s str> + Clone,
    at: &KeyPath,
    check: &mut Check<'_>,
) {
    for (name, writer) in &log.writers {
        for (index, service) in writer.services.iter().enumerate() {
            if !services.clone().any(|known| known == service) {
                let at = at.key("writers").key(name).key("services").index(index);
                check.unknown(&at, "is no service", service, services.clone().collect());
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(is_plain)
}

fn level(text: &str, at: &KeyPath, check: &mut Check<'_>) -> Option<Level> {
    let level = text.parse();
    level.map_err(|invalid| check.refuse(at, &format!("{invalid}"), Level::ALLOWED)).ok()
}

fn format(format: schema::LogFormat) -> LogFormat {
    match format {
        schema::LogFormat::Text => LogFormat::Text,
        schema::LogFormat::Json => LogFormat::Json,
    }
}

fn writer(writer: schema::LogWriter, at: &KeyPath, check: &mut Check<'_>) -> Option<LogWriter> {
    let schema::LogWriter {
        to,
        path,
        rotate,
        records,
        level,
        format,
        services,
        least_status,
        queue,
    } = writer;
    let (access, events) =
        (records.contains(&LogRecords::Access), records.contains(&LogRecords::Events));
    if records.is_empty() {
        check.refuse(&at.key("records"), "names nothing to write", "\"access\", \"events\"");
    }
    let idle = [
        ("level", level.is_some() && !events, "only events have a level"),
        (
            "services",
            !services.is_empty() && !access,
            "it holds for access lines, and none are written",
        ),
        (
            "least_status",
            least_status != 0 && !access,
            "it holds for access lines, and none are written",
        ),
    ];
    for (key, is_idle, why) in idle {
        if is_idle && !records.is_empty() {
            check.wrong(&at.key(key), &format!("has no effect: {why}"));
        }
    }
    let destination = destination(to, path, rotate, at, check);
    Some(LogWriter {
        level: level.and_then(|level| self::level(&level, &at.key("level"), check)),
        format: format.map(self::format),
        least_status: check.number(&at.key("least_status"), least_status, 0, 599) as u16,
        queue: check.number(&at.key("queue"), queue, 1, 1 << 20) as usize,
        access,
        events,
        services,
        destination: destination?,
    })
}

fn destination(
    to: schema::LogTarget,
    path: Option<String>,
    rotate: Option<schema::Rotate>,
    at: &KeyPath,
    check: &mut Check<'_>,
) -> Option<Destination> {
    if let schema::LogTarget::File = to {
        let rotation = rotate.map(|r| super::access_log::rotation(r, &at.key("rotate"), check));
        let Some(path) = path else {
            check.lacks(at, "`path` is missing: where is the file?");
            return None;
        };
        return Some(Destination::File { path: check.path(&at.key("path"), &path), rotation });
    }
    for (key, is_there) in [("path", path.is_some()), ("rotate", rotate.is_some())] {
        if is_there {
            check.wrong(&at.key(key), "has no effect: only a file has it (`to = \"file\"`)");
        }
    }
    Some(match to {
        schema::LogTarget::Stderr => Destination::Stderr,
        _ => Destination::Stdout,
    })
}
