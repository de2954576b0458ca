//! From one configuration to the next: load, build aside, publish; or refuse, and say why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::watch::FileWatch;
use super::world::World;
use crate::admin::{ReloadReport, ReloadResult};
use crate::config::{self, Config, Loaded};
use crate::plugin::{Kind, builtin};

/// Reads the configuration file of a running process.
pub(super) fn load(path: &Path) -> Result<Loaded, config::Refused> {
    let built_in: Vec<&str> = builtin::names(Kind::Balancer).collect();
    config::load(path, &|name| std::env::var(name).ok(), &built_in)
}

/// Reloads one configuration file into one world.
pub(super) struct Reloader {
    path: PathBuf,
    /// What happened last.
    pub last: ReloadReport,
    /// What the process was started with: what of it needs a restart is in effect still.
    pub started_with: Arc<Config>,
}

impl Reloader {
    pub(super) fn new(path: PathBuf, first: ReloadReport, started_with: Arc<Config>) -> Self {
        Self { path, last: first, started_with }
    }

    /// The file that is reloaded.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Tries once. Whatever fails, `world` goes on as it was.
    pub(super) async fn reload(&mut self, world: &mut World, cause: &str, watch: &mut FileWatch) {
        let begun = Instant::now();
        let outcome = self.attempt(world, watch).await;
        let took = begun.elapsed();
        self.last = match outcome {
            Ok(changed) => {
                world.metrics.reload_succeeded(unix_seconds());
                let needs_restart = changed.needs_restart;
                let (changes, took_ms) = (changed.takes_effect.len(), took.as_millis() as u64);
                tracing::info!(cause, changes, took_ms, "configuration reloaded");
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
                    tracing::error!(cause, reason, "configuration refused, the former one stays");
                }
                let mut report = report(cause, ReloadResult::Refused, took);
                report.reasons = reasons;
                // What waited for a restart before still does.
                report.needs_restart.clone_from(&self.last.needs_restart);
                report
            }
        };
    }

    async fn attempt(
        &self,
        world: &mut World,
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
        let listens = |config: &Config| !config.listeners.is_empty();
        if listens(&self.started_with) && !listens(&loaded.config) {
            let path = self.path.display();
            // An empty file is valid, and what an editor leaves for a moment.
            return Err(vec![format!("{path}: names no listener: is it half written?")]);
        }
        let takes_effect = config::diff(&world.config, &loaded.config).takes_effect;
        let needs_restart = config::diff(&self.started_with, &loaded.config).needs_restart;
        let built = world.build(loaded.config).await;
        let places = &loaded.places;
        let built = built.map_err(|errors| -> Vec<String> {
            errors.iter().map(|error| error.locate(places).to_string()).collect()
        })?;
        world.publish(built);
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
pub(super) fn report(cause: &str, result: ReloadResult, took: Duration) -> ReloadReport {
    ReloadReport {
        result,
        cause: cause.to_owned(),
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
