//! How long a connection may keep the proxy waiting for a request's header.
//!
//! One timer a connection, not one a request: it is left where it stands when a request arrives,
//! and looks, when it goes off, whether anybody is late. So a request that comes in time costs a
//! load of the coarse clock.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::config::ListenerLimits;
use crate::telemetry::clock::coarse_ms;

/// By how much the coarse clock may be behind the timer's.
const CLOCK_LAG_MS: u32 = 20;

/// A connection's timer.
pub(super) struct Alarm {
    timer: Pin<Box<Sleep>>,
    due_ms: u32,
    set: bool,
}

impl Alarm {
    pub(super) fn new() -> Self {
        Self { timer: Box::pin(sleep(Duration::ZERO)), due_ms: 0, set: false }
    }

    /// Whether it has gone off since it was set.
    fn has_rung(&self) -> bool {
        self.set && self.timer.is_elapsed()
    }

    /// Sees to it that the task is woken no later than in `wait_ms`; it may be woken before.
    fn at_the_latest(&mut self, wait_ms: u32, context: &mut Context<'_>) {
        let due_ms = coarse_ms().wrapping_add(wait_ms);
        let is_early_enough = due_ms.wrapping_sub(self.due_ms) as i32 >= 0;
        if self.set && is_early_enough && !self.timer.is_elapsed() {
            return;
        }
        (self.due_ms, self.set) = (due_ms, true);
        self.timer.as_mut().reset(Instant::now() + Duration::from_millis(wait_ms.into()));
        if self.timer.as_mut().poll(context).is_ready() {
            context.waker().wake_by_ref();
        }
    }
}

/// The wait for one request's header.
pub(super) struct Wait {
    since_ms: u32,
    /// The connection stirred: perhaps a piece of the header came.
    stirred: bool,
    idle_ms: u32,
    whole_ms: u32,
}

/// The header did not come in time.
pub(super) struct Late {
    /// Some of it may have come.
    pub stirred: bool,
}

impl Wait {
    /// Begins now: the connection may be idle for the keep-alive time-out, and the header has to
    /// be whole within the header time-out more.
    pub(super) fn new(limits: &ListenerLimits) -> Self {
        let idle_ms = whole_ms(limits.keepalive_timeout);
        let whole_ms = idle_ms.saturating_add(whole_ms(limits.header_timeout));
        Self { since_ms: coarse_ms(), stirred: false, idle_ms, whole_ms }
    }

    /// To be asked after each look at the connection that found no whole header.
    pub(super) fn goes_on(&mut self, alarm: &mut Alarm, context: &mut Context<'_>) -> Poll<Late> {
        let patience_ms = if self.stirred { self.whole_ms } else { self.idle_ms };
        let waited_ms = coarse_ms().wrapping_sub(self.since_ms);
        if waited_ms > patience_ms {
            return Poll::Ready(Late { stirred: self.stirred });
        }
        alarm.at_the_latest(patience_ms - waited_ms + CLOCK_LAG_MS, context);
        Poll::Pending
    }

    /// To be told before each look at the connection but the first.
    pub(super) fn stir(&mut self, alarm: &Alarm) {
        self.stirred |= !alarm.has_rung();
    }
}

/// Up to twelve days: the coarse clock turns over after 49.
fn whole_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).min(1 << 30)
}
