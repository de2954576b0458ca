//! `[log]`: who writes, and what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::check::Check;
use crate::config::path::KeyPath;
use crate::config::schema::{self, LogRecords, LogTarget};
use crate::config::types::{
    Destination, Level, Log, LogFormat, LogWriter, OWN_WRITERS, SyslogAddress,
};
use crate::telemetry::log::FACILITIES;

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
        address,
        facility,
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
    let place = Place { path, rotate, address, facility };
    let destination = place.destination(to, at, check);
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

/// What of a table says where to write.
struct Place {
    path: Option<String>,
    rotate: Option<schema::Rotate>,
    address: Option<String>,
    facility: Option<String>,
}

impl Place {
    fn destination(
        self,
        to: LogTarget,
        at: &KeyPath,
        check: &mut Check<'_>,
    ) -> Option<Destination> {
        let Self { path, rotate, address, facility } = self;
        let (is_file, is_syslog) = (to == LogTarget::File, to == LogTarget::Syslog);
        let idle = [
            ("path", path.is_some() && !is_file, "file"),
            ("rotate", rotate.is_some() && !is_file, "file"),
            ("address", address.is_some() && !is_syslog, "syslog"),
            ("facility", facility.is_some() && !is_syslog, "syslog"),
        ];
        for (key, _, of) in idle.iter().filter(|(_, is_idle, _)| *is_idle) {
            check.lacks(&at.key(key), &format!("has no effect: it is for `to = \"{of}\"`"));
        }
        match to {
            LogTarget::Stdout => Some(Destination::Stdout),
            LogTarget::Stderr => Some(Destination::Stderr),
            LogTarget::Syslog => Some(Destination::Syslog {
                address: self::address(address.as_deref(), &at.key("address"), check)?,
                facility: self::facility(facility.as_deref(), &at.key("facility"), check)?,
            }),
            LogTarget::File => {
                let rotation =
                    rotate.map(|r| super::access_log::rotation(r, &at.key("rotate"), check));
                let Some(path) = path else {
                    check.lacks(at, "needs a `path`: where is the file?");
                    return None;
                };
                Some(Destination::File { path: check.path(&at.key("path"), &path), rotation })
            }
        }
    }
}

fn address(text: Option<&str>, at: &KeyPath, check: &mut Check<'_>) -> Option<SyslogAddress> {
    let text = text.unwrap_or("unix:/dev/log");
    let is_server = |to: &str| {
        to.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        return Some(SyslogAddress::Unix(check.path(at, path)));
    }
    if let Some(to) = text.strip_prefix("udp://").filter(|to| is_server(to)) {
        return Some(SyslogAddress::Udp(to.to_owned()));
    }
    if let Some(to) = text.strip_prefix("tcp://").filter(|to| is_server(to)) {
        return Some(SyslogAddress::Tcp(to.to_owned()));
    }
    let allowed = "`unix:/dev/log`, `udp://host:514`, `tcp://host:601`";
    check.refuse(at, "is no syslog server", allowed);
    None
}

fn facility(name: Option<&str>, at: &KeyPath, check: &mut Check<'_>) -> Option<u8> {
    let name = name.unwrap_or("daemon");
    let found = FACILITIES.iter().position(|known| *known == name);
    if found.is_none() {
        check.unknown(at, "is no facility", name, FACILITIES.to_vec());
    }
    u8::try_from(found?).ok()
}
