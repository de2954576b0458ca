//! From one configuration to the next: load, build aside, publish; or refuse, and say why.
//!
//! Looking up names and building take their time beside the loops of [`control`](super::control),
//! which borrow the world meanwhile.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::BuildError;
use super::api::{self, ApiSettings};
use super::members::configured_records;
use super::names::look_up;
use super::watch::FileWatch;
use super::world::World;
use crate::admin::{ReloadReport, ReloadResult};
use crate::config::{self, BuiltIn, Config, Loaded};
use crate::plugin::{Kind, builtin};

/// What is refused after a file changed may be half written, or a certificate whose key is still to
/// come: it is told so only when no file changes within this time.
const PATIENCE: Duration = Duration::from_millis(500);
/// Further attempts that this leads to, at most.
const MAX_FURTHER_LOOKS: usize = 4;

/// Why a configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    Start,
    FileChange,
    Hangup,
    Request,
}

impl Cause {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Cause::Start => "start",
            Cause::FileChange => "file change",
            Cause::Hangup => "SIGHUP",
            Cause::Request => "POST /-/reload",
        }
    }

    /// Whether somebody asked: whoever moved a log away does.
    fn is_asked_for(self) -> bool {
        matches!(self, Cause::Hangup | Cause::Request)
    }
}

/// Reads a configuration file with this process's environment.
pub fn load(path: &Path) -> Result<Loaded, config::Refused> {
    let strategies: Vec<&str> = builtin::names(Kind::Balancer).collect();
    let checks: Vec<&str> = builtin::names(Kind::HealthCheck).collect();
    let channels: Vec<&str> = builtin::names(Kind::AlertChannel).collect();
    let built_in = BuiltIn { strategies: &strategies, checks: &checks, channels: &channels };
    config::load(path, &|name| std::env::var(name).ok(), built_in)
}

/// Reloads one configuration file into one world.
pub(super) struct Reloader {
    path: PathBuf,
    api: ApiSettings,
}

impl Reloader {
    pub(super) fn new(path: PathBuf, api: ApiSettings) -> Self {
        Self { path, api }
    }

    /// Goes on to what is written, if all of it can be used; else `world` goes on as it was.
    pub(super) async fn reload(&self, world: &RefCell<World>, cause: Cause, watch: &mut FileWatch) {
        let cause_name = cause.as_str();
        let (mut outcome, mut took) = self.attempt(world, cause_name, watch).await;
        for _ in 0..MAX_FURTHER_LOOKS {
            if cause != Cause::FileChange
                || outcome.is_ok()
                || !watch.differs_within(PATIENCE).await
            {
                break;
            }
            watch.changed(); // as it is before it is read
            (outcome, took) = self.attempt(world, cause_name, watch).await;
        }
        let mut world = world.borrow_mut();
        world.last_reload = match outcome {
            Ok(changed) => {
                world.metrics.reload_succeeded(unix_seconds());
                let needs_restart = changed.needs_restart;
                let (changes, took_ms) = (changed.takes_effect.len(), took.as_millis() as u64);
                tracing::info!(cause = cause_name, changes, took_ms, "configuration reloaded");
                for line in &needs_restart {
                    tracing::warn!(change = line, "takes effect at a restart only");
                }
                let mut report = report(cause, ReloadResult::Applied, took);
                report.changes = changed.takes_effect;
                report.needs_restart = needs_restart;
                report.warnings = changed.warnings;
                report
            }
            Err(reasons) => {
                world.metrics.reload_refused();
                for reason in &reasons {
                    tracing::error!(
                        cause = cause_name,
                        reason,
                        "configuration refused, the former one stays"
                    );
                }
                let mut report = report(cause, ReloadResult::Refused, took);
                report.reasons = reasons;
                // What waited for a restart before still does.
                report.needs_restart.clone_from(&world.last_reload.needs_restart);
                report
            }
        };
        // Also of a refused one: whoever rotates logs has nothing to do with it.
        let faults = if cause.is_asked_for() { world.reopen_logs() } else { Vec::new() };
        for error in faults {
            tracing::error!(%error, "log not reopened, the former file is written on");
            world.last_reload.warnings.push(format!("{error}: not reopened"));
        }
    }

    /// Reads and builds, and publishes if all is well. Says how long it took, too.
    async fn attempt(
        &self,
        world: &RefCell<World>,
        cause: &str,
        watch: &mut FileWatch,
    ) -> (Result<Changed, Vec<String>>, Duration) {
        let begun = Instant::now();
        let outcome = self.advance(world, watch).await;
        if let Err(reasons) = &outcome {
            tracing::debug!(cause, ?reasons, "this configuration cannot be used");
        }
        (outcome, begun.elapsed())
    }

    async fn advance(
        &self,
        world: &RefCell<World>,
        watch: &mut FileWatch,
    ) -> Result<Changed, Vec<String>> {
        let loaded = match load(&self.path) {
            Ok(loaded) => loaded,
            Err(refused) => {
                watch.set_paths(refused.watch);
                return Err(refused.problems.iter().map(ToString::to_string).collect());
            }
        };
        watch.set_paths(loaded.watch);
        let started_with = world.borrow().started_with.clone();
        let listens = |config: &Config| !config.listeners.is_empty();
        if listens(&started_with) && !listens(&loaded.config) {
            let path = self.path.display();
            // An empty file is valid, and what an editor leaves for a moment.
            return Err(vec![format!("{path}: names no listener: is it half written?")]);
        }
        let takes_effect = config::diff(&world.borrow().config, &loaded.config).takes_effect;
        let needs_restart = config::diff(&started_with, &loaded.config).needs_restart;
        tracing::debug!("building the configuration that was read");
        // Only names that are new are waited for.
        let new_names = world.borrow().names_unknown(&loaded.config);
        let answers = look_up(new_names).await;
        let build = world.borrow().build(loaded.config, answers);
        let built = tokio::task::spawn_blocking(build).await.unwrap_or_else(|panicked| {
            Err(vec![BuildError::Engine(panicked.to_string())]) // a bug of ours, or of a library's
        });
        let places = &loaded.places;
        let built = built.map_err(|errors| -> Vec<String> {
            errors.iter().map(|error| error.locate(places).to_string()).collect()
        })?;
        let auth = api::auth(&built.config);
        let auth = auth.map_err(|error| vec![error.locate(places).to_string()])?;
        let configured = configured_records(&built.config);
        self.api.publish(&built.config, auth);
        world.borrow_mut().publish(built);
        let registry = world.borrow().registry.clone();
        registry.set_settings(world.borrow().config.registry.clone());
        registry.configure(configured).await;
        Ok(Changed {
            takes_effect,
            needs_restart,
            warnings: loaded.warnings.iter().map(ToString::to_string).collect(),
        })
    }
}

struct Changed {
    takes_effect: Vec<String>,
    needs_restart: Vec<String>,
    warnings: Vec<String>,
}

/// A report of now.
pub(super) fn report(cause: Cause, result: ReloadResult, took: Duration) -> ReloadReport {
    ReloadReport {
        result,
        cause: cause.as_str().to_owned(),
        unix_seconds: unix_seconds(),
        took_ms: took.as_secs_f64() * 1000.0,
        reasons: Vec::new(),
        warnings: Vec::new(),
        changes: Vec::new(),
        needs_restart: Vec::new(),
    }
}

pub(super) fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
