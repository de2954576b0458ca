//! The log writers that a configuration asks for, from one configuration to the next, and to the end.
//!
//! A writer that did not change goes on, with what waits in its queue.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::BuildError;
use crate::config::{self, AccessLogTarget, Config, LogFormat, LogWriter};
use crate::proxy::Shared;
use crate::telemetry::Metrics;
use crate::telemetry::access_line::Form;
use crate::telemetry::access_log::{AccessLog, AccessOutlet};
use crate::telemetry::log::{ConfiguredLevel, Destination, EventOutlet, Format, Levels, Writer};

/// At the end, what waits is written within this time, or is lost.
pub(super) const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Writers by name.
type Writers = BTreeMap<String, Arc<Writer>>;

/// The writers that are in effect. A copy shares them.
#[derive(Clone, Default)]
pub(super) struct Logs {
    writers: Arc<Mutex<Writers>>,
    /// What writers of events are told.
    pub levels: Levels,
}

/// What a configuration asks for. Nothing of it is told yet.
pub(super) struct Opened {
    writers: Writers,
    events: BTreeMap<String, ConfiguredLevel>,
    /// `None`: nobody wants to hear of requests.
    access: Option<AccessLog>,
}

impl Logs {
    /// Opens what is new; a file is appended to.
    pub(super) fn open(&self, config: &Config, metrics: &Metrics) -> Result<Opened, BuildError> {
        let former = self.writers.lock().clone();
        let (mut writers, mut events, mut outlets) = (Writers::new(), BTreeMap::new(), Vec::new());
        for (name, settings) in effective(config) {
            let writer = match former.get(&name) {
                Some(writer) if writer.is_like(&settings.destination, settings.queue) => {
                    writer.clone()
                }
                _ => Arc::new(start(&name, &settings, metrics)?),
            };
            let format = format(&settings, config.log.format);
            if settings.events {
                let is_inherited = settings.level.is_none();
                let level = settings.level.unwrap_or_else(|| config.log.level.clone());
                let outlet = EventOutlet { level, format, writer: Some(writer.clone()) };
                events.insert(name.clone(), ConfiguredLevel { outlet, is_inherited });
            }
            if settings.access {
                let (services, least_status) = (settings.services, settings.least_status);
                let writer = writer.clone();
                outlets.push(AccessOutlet { writer, format, services, least_status });
            }
            writers.insert(name, writer);
        }
        let otlp = config.otlp.as_ref().and_then(|otlp| otlp.logs.as_ref());
        let exported = otlp.is_some_and(|logs| logs.access);
        let is_wanted = exported || !outlets.is_empty();
        let access = is_wanted
            .then(|| AccessLog::new(Form::new(config.access_log.line.clone()), outlets, exported));
        Ok(Opened { writers, events, access })
    }

    /// Tells events to what was opened, as there are no requests yet.
    pub(super) fn begin(&self, opened: Opened) {
        let Opened { writers, events, access: _ } = opened;
        self.levels.configure(events);
        *self.writers.lock() = writers;
    }

    /// Tells everything to what was opened. Former writers that are not among it write what they have, and end.
    pub(super) fn publish(&self, opened: Opened, shared: &Shared) {
        let Opened { writers, events, access } = opened;
        self.levels.configure(events);
        shared.access_log.store(access.map(Arc::new));
        *self.writers.lock() = writers;
    }

    /// Opens files again: what was there may have been moved away. Where that fails, the former file is
    /// written on.
    pub(super) fn reopen(&self) -> Vec<BuildError> {
        let writers = self.writers.lock().clone();
        let reopened = writers.into_iter().map(|(name, writer)| {
            writer.reopen().map_err(|error| fault(&name, writer.destination(), error))
        });
        reopened.filter_map(Result::err).collect()
    }

    /// Waits until what was said is written, as far as time allows. The process is about to end.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FLUSH_WITHIN;
        let writers = self.writers.lock().clone();
        writers.values().for_each(|writer| writer.flush(deadline));
    }
}

fn start(name: &str, settings: &LogWriter, metrics: &Metrics) -> Result<Writer, BuildError> {
    let destination = settings.destination.clone();
    let started = Writer::start(name, destination, settings.queue, metrics.log(name));
    started.map_err(|error| fault(name, &settings.destination, error))
}

fn fault(writer: &str, destination: &Destination, error: std::io::Error) -> BuildError {
    let place = match destination {
        Destination::File { path, .. } => path.clone(),
        Destination::Stdout => PathBuf::from("stdout"),
        Destination::Stderr => PathBuf::from("stderr"),
        Destination::Syslog { .. } => PathBuf::from("syslog"),
    };
    BuildError::Log { writer: writer.to_owned(), place, error }
}

/// The writers of a configuration, with those that `[log]` and `[access_log]` are short for.
fn effective(config: &Config) -> BTreeMap<String, LogWriter> {
    let mut writers = config.log.writers.clone();
    let [own_events, own_access] = config::OWN_WRITERS.map(str::to_owned);
    let access_log = &config.access_log;
    let own = |destination, events: bool, format| LogWriter {
        destination,
        access: !events,
        events,
        level: None,
        format,
        services: Vec::new(),
        least_status: 0,
        queue: access_log.queue_lines,
    };
    let is_heard = writers.values().any(|writer| writer.events);
    if !is_heard {
        writers.insert(own_events, own(Destination::Stderr, true, None));
    }
    let destination = match &access_log.target {
        AccessLogTarget::Off => return writers,
        AccessLogTarget::Stdout => Destination::Stdout,
        AccessLogTarget::File(path) => {
            Destination::File { path: path.clone(), rotation: access_log.rotate }
        }
    };
    writers.insert(own_access, own(destination, false, Some(LogFormat::Json)));
    writers
}

fn format(settings: &LogWriter, default: LogFormat) -> Format {
    let is_terminal = match settings.destination {
        Destination::Stdout => stdout().is_terminal(),
        Destination::Stderr => stderr().is_terminal(),
        Destination::File { .. } | Destination::Syslog { .. } => false,
    };
    match settings.format.unwrap_or(default) {
        LogFormat::Json => Format::Json,
        LogFormat::Text if is_terminal => Format::Coloured,
        LogFormat::Text => Format::Text,
    }
}
