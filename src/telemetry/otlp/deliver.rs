//! Delivering a batch: again and again while the collector is away, with a growing pause.

use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::Signal;
use super::client::{Client, Outcome};
use crate::telemetry::metrics::ExportMetrics;

/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// However often it failed, and whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What a signal's batches are delivered with.
pub(super) struct Delivery {
    signal: Signal,
    client: Client,
    pub metrics: ExportMetrics,
    pub stop: CancellationToken,
    /// It is said once that the collector cannot be reached.
    is_failing: bool,
}

impl Delivery {
    pub(super) fn new(
        signal: Signal,
        client: Client,
        metrics: ExportMetrics,
        stop: CancellationToken,
    ) -> Self {
        Self { signal, client, metrics, stop, is_failing: false }
    }

    /// Delivers so many items, or counts them as lost. Returns when it is known which.
    pub(super) async fn deliver(&mut self, body: Bytes, count: u64) {
        let mut failures = 0;
        loop {
            let Outcome::Later { asked, why } = self.try_once(body.clone(), count).await else {
                return;
            };
            failures += 1;
            self.fails(&why);
            let pause = pause(failures, asked, fastrand::f64());
            let stopped = self.stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none();
            // One last try: the collector may be back.
            if stopped && matches!(self.try_once(body.clone(), count).await, Outcome::Later { .. })
            {
                self.metrics.stopped.inc_by(count);
            }
            if stopped {
                return;
            }
        }
    }

    /// One call, counted by what came of it.
    pub(super) async fn try_once(&mut self, body: Bytes, count: u64) -> Outcome {
        let outcome = self.client.export(self.signal, body).await;
        match &outcome {
            Outcome::Taken { rejected } => {
                let rejected = (*rejected).min(count);
                self.metrics.exported.inc_by(count - rejected);
                self.metrics.rejected.inc_by(rejected);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(signal = self.signal.as_str(), "the collector takes it again");
                }
            }
            Outcome::Refused { why } => {
                self.metrics.failures.inc();
                self.metrics.refused.inc_by(count);
                self.fails(why);
            }
            Outcome::Later { .. } => self.metrics.failures.inc(),
        }
        outcome
    }

    pub(super) fn fails(&mut self, error: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let signal = self.signal.as_str();
            tracing::warn!(signal, error, "the collector does not take it");
        }
    }
}

/// Doubles with each failure, and is anything from half of that to the whole. `random` is from 0 to 1.
fn pause(failures: u32, asked: Option<Duration>, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(8);
    let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
    let own = whole / 2 + (whole / 2).mul_f64(random.clamp(0.0, 1.0));
    asked.map_or(own, |asked| asked.clamp(own, LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_a_bound_and_is_as_long_as_is_asked_for() {
        let millis = |failures, random| pause(failures, None, random).as_millis();
        assert_eq!([1, 2, 3].map(|f| millis(f, 1.0)), [500, 1000, 2000]);
        assert_eq!([1, 2, 3].map(|f| millis(f, 0.0)), [250, 500, 1000]);
        assert_eq!(millis(u32::MAX, 1.0), 30_000);
        let asked = |secs| pause(1, Some(Duration::from_secs(secs)), 1.0).as_millis();
        assert_eq!([asked(0), asked(7), asked(u64::MAX)], [500, 7_000, 30_000]);
    }
}
