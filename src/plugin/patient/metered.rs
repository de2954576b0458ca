//! How long a call computes, as against how long it takes: only that is the proxy's time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use prometheus::Counter;

use super::fault::Fault;

/// The longest that one call may compute. An HTTP check takes a fraction of a millisecond; this has to
/// outlast a busy machine.
pub(in super::super) const MAX_BUSY: Duration = Duration::from_millis(500);

/// A future that is given up when it has computed for too long.
pub(in super::super) struct Metered<F> {
    future: Pin<Box<F>>,
    busy: Duration,
    most: Duration,
    /// Hears of it in seconds, however it ends.
    spent: Counter,
}

impl<F> Metered<F> {
    pub(in super::super) fn new(most: Duration, spent: Counter, future: F) -> Self {
        Self { future: Box::pin(future), busy: Duration::ZERO, most, spent }
    }
}

impl<T, F: Future<Output = Result<T, Fault>>> Future for Metered<F> {
    type Output = Result<T, Fault>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let begun = Instant::now();
        let polled = self.future.as_mut().poll(context);
        self.busy += begun.elapsed();
        match polled {
            // It will not be polled again, and dropped by whoever awaits this.
            Poll::Pending if self.busy > self.most => Poll::Ready(Err(Fault::Busy(self.most))),
            polled => polled,
        }
    }
}

impl<F> Drop for Metered<F> {
    fn drop(&mut self) {
        self.spent.inc_by(self.busy.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn waiting_costs_nothing_and_computing_does() {
        let spent = Counter::new("spent", "s").unwrap();
        let waits = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        };
        assert_eq!(Metered::new(50 * MS, spent.clone(), waits).await, Ok(()));
        assert!(spent.get() < 0.05, "{}", spent.get());

        let computes = async {
            loop {
                let begun = Instant::now();
                while begun.elapsed() < MS {
                    std::hint::spin_loop();
                }
                tokio::task::yield_now().await;
            }
        };
        let cut_off: Result<(), _> = Metered::new(5 * MS, spent.clone(), computes).await;
        assert_eq!(cut_off, Err(Fault::Busy(5 * MS)));
        assert!(spent.get() >= 0.005, "{}", spent.get());
    }
}
