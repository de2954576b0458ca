//! The loop that evaluates rules: one look at all series each interval, and what came of it to a sink.
//!
//! It has a thread of its own, so that neither requests nor deliveries make it late. It never falls behind: an
//! evaluation whose time has come while the one before still runs is skipped, and counted. Samples are taken
//! at the moment at which they are evaluated, so an alert is late by less than one interval.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::facts::Take;
use super::rules::{Evaluation, History, Record, Rule, RuleSet};
use crate::model::UnixMillis;
use crate::telemetry::give_way::give_way;
use crate::telemetry::metrics::AlertMetrics;

/// What is evaluated, and how often. A reload publishes another one.
#[derive(Debug, Clone, PartialEq)]
pub struct RulePlan {
    pub interval: Duration,
    pub rules: Vec<Arc<Rule>>,
}

/// Where samples come from.
pub trait Source: Send {
    /// Hands over every series as it is now.
    fn sample(&mut self, take: &mut Take<'_>);
}

/// Who is told what fires.
pub trait Sink: Send {
    /// Takes what an evaluation came to. It is to be quick: what takes time belongs into a queue.
    fn evaluated(&mut self, evaluation: Evaluation, now: UnixMillis);
}

/// What a former process kept of its alerts, and when it last looked.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub records: Vec<Record>,
    pub at: UnixMillis,
}

/// The running loop. It ends when this is dropped.
pub struct RuleLoop {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Starts the loop; it evaluates nothing before it knows what was kept. To be called after the process became a
/// daemon.
pub fn start(
    plan: watch::Receiver<Arc<RulePlan>>,
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    kept: oneshot::Receiver<Kept>,
    metrics: AlertMetrics,
) -> io::Result<RuleLoop> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let evaluator = Evaluator::new(plan, source, sink, metrics);
    let run = move || {
        give_way();
        runtime.block_on(async { stopped.run_until_cancelled(evaluator.run(kept)).await });
    };
    let thread = std::thread::Builder::new().name("alert-rules".to_owned()).spawn(run)?;
    Ok(RuleLoop { stop, thread: Some(thread) })
}

impl Drop for RuleLoop {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // its panic was reported when it happened
        }
    }
}

struct Evaluator {
    plans: watch::Receiver<Arc<RulePlan>>,
    plan: Arc<RulePlan>,
    source: Box<dyn Source>,
    sink: Box<dyn Sink>,
    metrics: AlertMetrics,
    rules: RuleSet,
    history: History,
    /// When it last looked: time never goes back for a rule.
    looked: UnixMillis,
}

impl Evaluator {
    fn new(
        mut plans: watch::Receiver<Arc<RulePlan>>,
        source: Box<dyn Source>,
        sink: Box<dyn Sink>,
        metrics: AlertMetrics,
    ) -> Self {
        let plan = plans.borrow_and_update().clone();
        let (rules, history, looked) = Default::default();
        let mut evaluator = Self { plans, plan, source, sink, metrics, rules, history, looked };
        evaluator.adopt();
        evaluator
    }

    async fn run(mut self, kept: oneshot::Receiver<Kept>) {
        let Ok(kept) = kept.await else { return }; // whoever knows has ended
        self.plan = self.plans.borrow_and_update().clone();
        self.adopt();
        self.rules.import(kept.records, kept.at, UnixMillis::of(SystemTime::now()));
        let mut ticks = ticks(self.plan.interval);
        let mut due: Option<tokio::time::Instant> = None;
        loop {
            tokio::select! {
                tick = ticks.tick() => {
                    if let Some(due) = due {
                        self.metrics.missed.inc_by(skipped(tick - due, self.plan.interval));
                    }
                    due = Some(tick);
                    self.evaluate();
                }
                Ok(()) = self.plans.changed() => {
                    let former = self.plan.interval;
                    self.plan = self.plans.borrow_and_update().clone();
                    self.adopt();
                    if self.plan.interval != former {
                        (ticks, due) = (self::ticks(self.plan.interval), None);
                    }
                }
            }
        }
    }

    fn adopt(&mut self) {
        self.rules.set_rules(self.plan.rules.clone());
        self.history.keep(&self.rules.families());
        self.metrics.rules.set(self.plan.rules.len() as i64);
    }

    fn evaluate(&mut self) {
        let began = Instant::now();
        self.looked = self.looked.max(UnixMillis::of(SystemTime::now()));
        let mut look = self.history.look(self.looked);
        if !self.plan.rules.is_empty() {
            self.source.sample(&mut |family, labels, value| {
                look.sample(family, labels.iter().copied(), value);
            });
        }
        look.end();
        let evaluation = self.rules.evaluate(&self.history, self.looked);
        self.metrics.evaluation_seconds.observe(began.elapsed().as_secs_f64());
        self.metrics.dropped.inc_by(evaluation.dropped as u64);
        self.metrics.set_alerts(evaluation.pending, evaluation.firing.len());
        self.sink.evaluated(evaluation, self.looked);
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

/// Ticks between two that are so far apart.
fn skipped(apart: Duration, every: Duration) -> u64 {
    let ticks = (apart.as_secs_f64() / every.as_secs_f64()).round() as u64;
    ticks.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_were_skipped_are_counted() {
        let every = Duration::from_secs(10);
        for (apart, expected) in [(10_000, 0), (10_004, 0), (20_000, 1), (49_998, 4), (0, 0)] {
            assert_eq!(skipped(Duration::from_millis(apart), every), expected, "{apart}");
        }
    }
}
