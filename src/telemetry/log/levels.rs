//! Levels that somebody set while the process runs, over those that are configured.
//!
//! One ends when its time is over, when it is taken back, or when the configuration says another level.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::level::Level;
use super::subscriber::{EventOutlet, set_outlets};

/// The levels of a process's writers. A copy shares them.
#[derive(Clone, Default)]
pub struct Levels(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    writers: BTreeMap<String, ConfiguredLevel>,
    set: BTreeMap<String, SetLevel>,
}

/// A writer of events, as it is configured.
pub struct ConfiguredLevel {
    pub outlet: EventOutlet,
    /// It has the level of `[log]`.
    pub is_inherited: bool,
}

/// A level in place of the configured one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLevel {
    pub level: Level,
    /// Then the configured one holds again; `None`: when it is taken back.
    pub until: Option<SystemTime>,
}

/// What a writer's level is.
pub struct WriterLevel {
    pub writer: String,
    pub configured: Level,
    pub set: Option<SetLevel>,
}

/// Nobody of that name writes events; or none was named, and all have a level of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchWriter;

impl Levels {
    /// Takes over what a configuration says.
    pub fn configure(&self, writers: BTreeMap<String, ConfiguredLevel>) {
        let mut state = self.0.lock();
        let former = std::mem::replace(&mut state.writers, writers);
        let State { writers, set } = &mut *state;
        set.retain(|name, _| {
            let level_in = |writers: &BTreeMap<String, ConfiguredLevel>| {
                writers.get(name).map(|writer| writer.outlet.level.clone())
            };
            level_in(writers).is_some() && level_in(writers) == level_in(&former)
        });
        state.apply();
    }

    /// Sets a writer's level, or takes what was set back. Without a writer: of those that have the level of `[log]`.
    pub fn set(&self, writer: Option<&str>, set: Option<&SetLevel>) -> Result<(), NoSuchWriter> {
        let mut state = self.0.lock();
        let State { writers, set: sets } = &mut *state;
        let is_meant = |name: &str, configured: &ConfiguredLevel| match writer {
            Some(writer) => writer == name,
            None => configured.is_inherited,
        };
        let mut meant = writers.iter().filter(|(name, w)| is_meant(name, w)).peekable();
        if meant.peek().is_none() {
            return Err(NoSuchWriter);
        }
        for (name, _) in meant {
            match set {
                Some(set) => _ = sets.insert(name.clone(), set.clone()),
                None => _ = sets.remove(name),
            }
        }
        state.apply();
        Ok(())
    }

    /// Ends what is over by now.
    pub fn expire(&self, now: SystemTime) {
        let mut state = self.0.lock();
        let before = state.set.len();
        state.set.retain(|_, set| set.until.is_none_or(|until| until > now));
        if state.set.len() < before {
            state.apply();
            tracing::info!("log level is as configured again");
        }
    }

    /// All writers of events.
    pub fn list(&self) -> Vec<WriterLevel> {
        let state = self.0.lock();
        let each = state.writers.iter().map(|(name, writer)| WriterLevel {
            writer: name.clone(),
            configured: writer.outlet.level.clone(),
            set: state.set.get(name).cloned(),
        });
        each.collect()
    }
}

impl State {
    fn apply(&self) {
        let outlets = self.writers.iter().map(|(name, writer)| {
            let level = self.set.get(name).map_or(&writer.outlet.level, |set| &set.level);
            EventOutlet { level: level.clone(), ..writer.outlet.clone() }
        });
        set_outlets(outlets.collect());
    }
}
