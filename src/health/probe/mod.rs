//! One check of one instance: asks, within its time-out, and says what it found in words for people.
//!
//! Whatever goes wrong in asking is a verdict, never an error: that is what checks are for.

mod dial;
mod grpc;
mod http;
mod plugin;
mod resources;
mod response_time;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::time::timeout;

pub(super) use dial::Dialer;

use crate::model::{Check, CheckKind, HealthStatus, InstanceRecord, UnixMillis, Verdict};
use crate::registry::Vitals;

use super::plan::Plan;
use super::target::PluginProbe;

/// Of an answer, this much is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// A check, made ready once for all the instances that it is for.
pub(super) struct Prepared {
    pub check: Check,
    means: Means,
}

enum Means {
    Http {
        body_matches: Option<regex::bytes::Regex>,
    },
    Plugin(Arc<dyn PluginProbe>),
    /// Nothing to make ready.
    Plain,
    /// It cannot be made; why.
    Impossible(String),
}

impl Prepared {
    pub(super) fn new(check: &Check, plan: &Plan) -> Self {
        let means = match &check.kind {
            CheckKind::Http(http) => http::body_pattern(http)
                .map_or_else(Means::Impossible, |body_matches| Means::Http { body_matches }),
            CheckKind::Plugin(plugin) => match plan.plugins.get(plugin) {
                Some(probe) => Means::Plugin(probe.clone()),
                None => Means::Impossible("its plugin is not loaded".to_owned()),
            },
            _ => Means::Plain,
        };
        Self { check: check.clone(), means }
    }

    /// Whether this is what `check` and `plan` would make.
    pub(super) fn is_of(&self, check: &Check, plan: &Plan) -> bool {
        let same_plugin = match (&self.means, &check.kind) {
            (Means::Plugin(own), CheckKind::Plugin(plugin)) => {
                plan.plugins.get(plugin).is_some_and(|probe| Arc::ptr_eq(own, probe))
            }
            (Means::Impossible(_), CheckKind::Plugin(plugin)) => !plan.plugins.contains_key(plugin),
            _ => true,
        };
        same_plugin && self.check == *check
    }
}

/// A check of one instance.
pub(super) struct Probe {
    pub prepared: Arc<Prepared>,
    pub record: Arc<InstanceRecord>,
    /// The request of an HTTP check, the same each time; `Err` = it cannot be made.
    request: Option<Result<::http::request::Parts, String>>,
}

/// A connection that one check of one instance keeps for its next.
#[derive(Default)]
pub(super) enum Kept {
    #[default]
    Nothing,
    Http(http::Connection),
    Grpc(grpc::Connection),
}

/// What came of a check.
pub(super) struct Outcome {
    pub verdict: Verdict,
    /// The instance was not judged: the check itself is broken.
    pub own_fault: bool,
    pub took: Duration,
    pub kept: Kept,
}

/// Why there is no verdict: the instance's reason, or the check's own fault.
enum Failure {
    Instance(String),
    Check(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Failure::Instance(reason)
    }
}

impl Probe {
    pub(super) fn new(prepared: Arc<Prepared>, record: Arc<InstanceRecord>) -> Self {
        let request = match &prepared.check.kind {
            CheckKind::Http(check) => Some(http::request(check, &record)),
            _ => None,
        };
        Self { prepared, record, request }
    }

    /// What needs nobody to be asked, now. `None` = [`run`](Self::run) it.
    pub(super) fn look(&self, vitals: &Vitals) -> Option<Verdict> {
        let check = &self.prepared.check;
        match &check.kind {
            CheckKind::ResponseTime(limits) => {
                let average_us =
                    vitals.endpoint.latency().read_us(crate::telemetry::clock::coarse_ms());
                Some(response_time::judge(limits, average_us))
            }
            CheckKind::Resources(limits) => {
                let now = UnixMillis::of(std::time::SystemTime::now());
                Some(resources::judge(limits, vitals.load(), now, check.schedule.interval))
            }
            _ => None,
        }
    }

    /// Asks the instance.
    pub(super) async fn run(self: Arc<Self>, dialer: Arc<Dialer>, mut kept: Kept) -> Outcome {
        let limit = self.prepared.check.schedule.timeout;
        let began = Instant::now();
        let asked = AssertUnwindSafe(timeout(limit, self.ask(&dialer, &mut kept, limit)));
        let (verdict, own_fault) = match asked.catch_unwind().await {
            Ok(Ok(Ok(verdict))) => (verdict, false),
            Ok(Ok(Err(Failure::Instance(reason)))) => (critical(reason), false),
            Ok(Ok(Err(Failure::Check(reason)))) => (warning(reason), true),
            Ok(Err(_)) => (critical(format!("no answer within {limit:?}")), false),
            Err(_) => (warning("the check itself failed: it panicked"), true),
        };
        if verdict.status == HealthStatus::Critical && began.elapsed() >= limit {
            kept = Kept::Nothing; // whatever is on it belongs to a question nobody waits for
        }
        Outcome { verdict, own_fault, took: began.elapsed(), kept }
    }

    async fn ask(
        &self,
        dialer: &Dialer,
        kept: &mut Kept,
        limit: Duration,
    ) -> Result<Verdict, Failure> {
        let check = &self.prepared.check;
        let previous = std::mem::take(kept);
        let dial = dial::Place { dialer, record: &self.record, limit };
        match (&check.kind, &self.prepared.means) {
            (_, Means::Impossible(why)) => {
                Err(Failure::Check(format!("the check cannot be made: {why}")))
            }
            (CheckKind::Http(http), Means::Http { body_matches }) => {
                let request = self.request.as_ref().expect("each HTTP check has its request");
                let request = request
                    .as_ref()
                    .map_err(|why| Failure::Check(format!("the check cannot be made: {why}")))?;
                let previous = match previous {
                    Kept::Http(connection) => Some(connection),
                    _ => None,
                };
                let (verdict, connection) =
                    http::check(http, body_matches.as_ref(), request, previous, &dial).await?;
                *kept = connection.map_or(Kept::Nothing, Kept::Http);
                Ok(verdict)
            }
            (CheckKind::Grpc(grpc), _) => {
                let previous = match previous {
                    Kept::Grpc(connection) => Some(connection),
                    _ => None,
                };
                let (verdict, connection) = grpc::check(grpc, previous, &dial).await?;
                *kept = Kept::Grpc(connection);
                Ok(verdict)
            }
            (CheckKind::Tcp(tcp), _) => Ok(tcp::check(tcp, &dial).await?),
            (_, Means::Plugin(probe)) => plugin::check(probe, &dial).await,
            (CheckKind::ResponseTime(_) | CheckKind::Resources(_), _)
            | (CheckKind::Http(_) | CheckKind::Plugin(_), Means::Http { .. } | Means::Plain) => {
                Err(Failure::Check("the check asks nobody".to_owned()))
            }
        }
    }
}

fn passing(reason: impl Into<String>) -> Verdict {
    Verdict::new(HealthStatus::Passing, reason)
}

fn warning(reason: impl Into<String>) -> Verdict {
    Verdict::new(HealthStatus::Warning, reason)
}

fn critical(reason: impl Into<String>) -> Verdict {
    Verdict::new(HealthStatus::Critical, reason)
}

/// Passing, or a warning if it took too long.
fn judge_time(reason: String, took: Duration, degraded_above: Option<Duration>) -> Verdict {
    match degraded_above.filter(|&limit| took > limit) {
        Some(limit) => warning(format!("{reason}, but it took {took:.0?}: more than {limit:?}")),
        None => passing(reason),
    }
}
